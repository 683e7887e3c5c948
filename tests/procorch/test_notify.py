from pathlib import Path

from procorch.notify import Listener, notify


def test_what_is_said_is_heard(tmp_path: Path) -> None:
    listener = Listener(tmp_path / "notify")
    notify("READY=1\nSTATUS=serving", {"NOTIFY_SOCKET": str(listener.path)})
    notify("STOPPING=1", {"NOTIFY_SOCKET": str(listener.path)})

    assert listener.received() == [{"READY": "1", "STATUS": "serving"}, {"STOPPING": "1"}]
    listener.close()
    assert not listener.path.exists()


def test_nobody_listening_is_no_error(tmp_path: Path) -> None:
    notify("READY=1", {})
    notify("READY=1", {"NOTIFY_SOCKET": str(tmp_path / "gone")})
