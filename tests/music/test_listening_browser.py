"""The listening page in a real browser: opens, plays, goes on after a closed tab, saves, and its answers are analysed."""

import json
import re
import shutil
import time

import numpy as np
import pytest

from emonotes.affect.space import QUADRANT_CENTRES
from emonotes.music.listening import Clip, listening_test, tone
from emonotes.music.listening_answers import attention, read_answers, read_key, table

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not (BROWSER and DRIVER), reason="needs a browser: "
              "apt-get install chromium chromium-driver")]


class Page:
    """The page in headless Chromium, driven as a listener would; the profile survives closing."""

    def __init__(self, address, folder, width=900):
        webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium: pip install selenium")
        options = webdriver.ChromeOptions()
        options.binary_location = BROWSER
        for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", f"window-size={width},1000",
                         f"user-data-dir={folder / 'profile'}"):
            options.add_argument(f"--{argument}")
        self.browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
        self.browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder / "saved")})
        self.browser.get(address)

    def close(self):
        self.browser.quit()

    def js(self, code, *arguments):
        return self.browser.execute_script(code, *arguments)

    def one(self, selector):
        return self.browser.find_element("css selector", f"section:not([hidden]) {selector}")

    def screen(self):
        return self.js("return section().id")

    def wait(self, what, seconds=60):
        end = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < end, f"waited in vain on '{self.screen()}': {self.one('.missing').text}"
            time.sleep(0.05)

    def listen(self, speed=6):
        """Press play and hear as much as the page asks for."""
        self.one(".player button").click()
        self.js("audio.playbackRate = arguments[0]", speed)
        self.wait(lambda: "isten" not in self.one(".missing").text)

    def choose(self, name, value):
        self.js("arguments[0].click()", self.one(f'input[name="{name}"][value="{value}"]'))

    def next(self):
        self.one(".next").click()

    def judge(self, quadrant):
        """Hear a clip, choose a quadrant, and move the sliders by keyboard into it."""
        self.listen()
        self.choose("quadrant", quadrant)
        for name, value in zip(("valence", "arousal"), QUADRANT_CENTRES[quadrant], strict=True):
            self.one(f"#{name}").send_keys(("\ue014" if value > 0 else "\ue012") * 10)  # arrow right or left
        shown = re.sub(r'\d+:\d\d|Sound \d+|style="[^"]*"', "", self.js("return by('trial').outerHTML"))
        self.next()
        return shown

    def count(self, tones):
        self.listen()
        self.choose("number", tones)
        self.next()


@pytest.fixture(scope="module")
def test():
    clips = [Clip(np.tile(tone(200 + 50 * q, 0.3), 8), va, "beeper") for q, va in QUADRANT_CENTRES.items()]
    return listening_test(clips, listeners=3, seed=1, title="A small test")


def begin(page, number):
    page.one("#listener").send_keys(str(number))
    page.next()
    assert page.screen() == "welcome" and "tick the box" in page.one(".missing").text
    page.one("#consent").click()
    page.next()
    page.listen()
    page.choose("how", "headphones")
    page.choose("side", "left")
    page.next()
    page.judge(1)  # for practice


def answer(page, test, wrong):
    """The sound now shown: a clip as it was meant, or, if it is `wrong`, as the opposite quadrant."""
    name = page.js("return trial.id")
    if name in test.key["tones"]:
        return page.count(test.key["tones"][name])
    wanted = test.key["clips"][name]["quadrant"]
    return page.judge({1: 3, 2: 4, 3: 1, 4: 2}[wanted] if name == wrong else wanted)


def test_a_listener_goes_all_the_way(test, tmp_path):
    written = test.write(tmp_path)
    address, wrong = written["listening.html"].as_uri(), next(iter(test.key["clips"]))
    page = Page(address, tmp_path)
    try:
        assert page.screen() == "welcome" and page.one(".next").get_attribute("aria-disabled") == "true"
        begin(page, 2)
        assert page.screen() == "trial" and page.js("return trial.id") == test.key["orders"][1][0]
        page.one(".player button").click()
        page.wait(lambda: page.js("return !audio.paused && audio.currentTime > 0.2"))
        page.one(".player button").click()
        for _ in range(3):
            answer(page, test, wrong)
    finally:
        page.close()
    page = Page(address, tmp_path)
    try:
        assert page.screen() == "back" and "answered 3 of 8" in page.one("#backtext").text
        page.one("#goon").click()
        assert page.js("return trial.id") == test.key["orders"][1][3]
        while page.screen() == "trial":
            answer(page, test, wrong)
        page.one("#json").click()
        page.one("#csv").click()
        saved = tmp_path / "saved" / f"answers-{test.key['test']}-02.json"
        page.wait(lambda: saved.exists() and saved.with_suffix(".csv").exists())
        outside = page.js("return performance.getEntriesByType('resource').map(entry => entry.name)")
        assert all(name.startswith("blob:") for name in outside), outside
        page.browser.refresh()
        assert page.screen() == "end" and json.loads(page.js("return by('text').value")) == json.loads(saved.read_text())
    finally:
        page.close()
    key = read_key(written["key.json"])
    held = read_answers(saved, key)
    rows = table(held, key)
    first = rows.filter(rows["kind"] == "clip")
    assert attention(rows, held, key)["kept"].all()
    assert first.filter(~first["correct"])["clip"].to_list() == [wrong] and first.height == 4
    assert (first["valence"].abs() == 0.5).all() and held[0]["answers"][0]["plays"] == 2
    assert len(saved.with_suffix(".csv").read_text().splitlines()) == 1 + 8


def test_every_trial_looks_alike_and_everything_has_a_name(test, tmp_path):
    page = Page(test.write(tmp_path)["listening.html"].as_uri(), tmp_path, width=500)
    try:
        assert page.js("return document.documentElement.scrollWidth <= window.innerWidth")
        begin(page, 1)
        looks = set()
        for name in test.key["orders"][0]:
            for control in page.browser.find_elements("css selector", "section:not([hidden]) :is(button, input)"):
                assert control.accessible_name or not control.is_displayed(), control.get_attribute("outerHTML")
            shown = page.count(test.key["tones"][name]) if name in test.key["tones"] else page.judge(1)
            looks |= {shown} - {None}
        assert len(looks) == 1, "the page of a clip tells it from others"
        assert page.screen() == "end" and page.js("return document.documentElement.scrollWidth <= window.innerWidth")
    finally:
        page.close()
