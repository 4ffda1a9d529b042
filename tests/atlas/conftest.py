"""Shared by the atlas tests: a private cache, an empty data folder, a machine without data."""

import pytest


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """No test reads or writes the user's cache."""
    monkeypatch.setenv("EMONOTES_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def no_data(monkeypatch):
    """A machine without any data folder."""
    monkeypatch.delenv("EMONOTES_DATA", raising=False)
    monkeypatch.delenv("EMONOTES_ENCODERS", raising=False)


@pytest.fixture
def data(tmp_path, monkeypatch):
    """An empty data folder of our own."""
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("EMONOTES_DATA", str(folder))
    return folder
