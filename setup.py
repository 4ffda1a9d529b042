"""Packaging: everything it needs to know stands in settings.ini."""
import shutil
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

here = Path(__file__).parent
parser = ConfigParser(delimiters=["="])
parser.read(here / "settings.ini", encoding="utf-8")
cfg = parser["DEFAULT"]


class BuildWithData(build_py):
    """A wheel carries data/ (cards, starter tables) as emonotes/data; an editable install reads it in place."""

    def run(self):
        super().run()
        if not getattr(self, "editable_mode", False) and (here / "data").is_dir():
            shutil.copytree(here / "data", Path(self.build_lib) / "emonotes" / "data", dirs_exist_ok=True)


setup(
    name=cfg["lib_name"],
    version=cfg["version"],
    description=cfg["description"],
    long_description=(here / "README.md").read_text(encoding="utf-8") if (here / "README.md").exists() else "",
    long_description_content_type="text/markdown",
    author=cfg["author"],
    author_email=cfg["author_email"],
    url=cfg["git_url"],
    license="Apache-2.0",
    keywords=cfg["keywords"],
    packages=find_packages(include=["emonotes", "emonotes.*"]),
    package_data={"emonotes": ["pretrained/**/*", "pretrained/*", "music/listening_*"]},
    cmdclass={"build_py": BuildWithData},
    python_requires=f">={cfg['min_python']}",
    install_requires=cfg["requirements"].split(),
    extras_require={"dev": cfg["dev_requirements"].split()},
    entry_points={"console_scripts": [cfg["console_scripts"]]},
)
