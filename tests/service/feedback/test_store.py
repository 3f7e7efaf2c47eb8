"""Corrections on disk: whole or not there, bounded, known once, and gone when they are deleted."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import signal
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from feedback_samples import add, correction, image, png
from PIL import Image

from service.errors import ConfigurationError, NotFound, NotKept
from service.feedback import store as module
from service.feedback.correction import State, correction_id
from service.feedback.entry import ENTRY_BYTES
from service.feedback.store import FeedbackStore

MIB = 2**20


@pytest.fixture
def store(tmp_path: Path) -> FeedbackStore:
    """An empty store of at most 1 MiB."""
    made = FeedbackStore(tmp_path / "feedback", MIB)
    made.open()
    return made


def test_a_person_can_read_the_folder(store: FeedbackStore) -> None:
    """The picture as it came, the 28x28, and who answered what; one folder for each, named by what is right."""
    made = add(store, 1, "7")
    entry = store.folder / "waiting" / made.id
    assert made.id.startswith("7-")
    assert {path.name for path in entry.iterdir()} == {"correction.json", "picture.png", "seen.png"}
    assert (entry / "picture.png").read_bytes() == png(1)
    assert np.array_equal(np.asarray(Image.open(entry / "seen.png")), image(1))
    assert json.loads((entry / "correction.json").read_text()) == made.to_json()
    assert "accepted" in (store.folder / "README.txt").read_text()


def test_no_other_user_of_the_machine_can_read_it(store: FeedbackStore) -> None:
    """Pictures are other people's: folders and files are for the service's user alone."""
    add(store, 1)
    for path in [store.folder, *store.folder.rglob("*")]:
        if path.name not in (".bytes", "README.txt"):
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700


def test_the_same_picture_with_the_same_label_is_kept_once(store: FeedbackStore) -> None:
    """Also when a person has dropped it: it does not come back."""
    made = add(store, 1)
    assert not store.add(made, png(1), image(1))
    store.move(made.id, State.DROPPED)
    assert not store.add(made, png(1), image(1))
    assert [(each.correction, each.state) for each in store.read()] == [(made, State.DROPPED)]


def test_what_is_disputed_is_marked_and_teaches_nothing(store: FeedbackStore) -> None:
    """Two labels for one picture, and a label against an answer that was sure; until a person accepts it."""
    plain, sure = add(store, 1), add(store, 2, "7", confidence=0.99)
    first, second = add(store, 3, "7"), add(store, 3, None)
    found = {each.correction.id: each for each in store.read()}
    assert found[plain.id].disputed is None
    assert found[plain.id].teaches
    assert found[sure.id].disputed == "the model was 99 % sure of 1"
    assert found[first.id].disputed == found[second.id].disputed == "the same picture is called 7 and none"
    assert not any(found[each.id].teaches for each in (sure, first, second))
    store.move(sure.id, State.ACCEPTED)
    store.move(second.id, State.DROPPED)
    found = {each.correction.id: each for each in store.read()}
    assert found[sure.id].teaches
    assert found[first.id].teaches  # nothing speaks against it any more
    assert not found[second.id].teaches


def test_the_oldest_go_first_and_the_accepted_last(store: FeedbackStore) -> None:
    """Nobody can push out what a person has accepted by sending more."""
    accepted = [add(store, seed) for seed in range(3)]
    for each in accepted:
        store.move(each.id, State.ACCEPTED)
    sent = []
    for seed in range(3, 120):
        sent.append(add(store, seed))
        record = store.folder / "waiting" / sent[-1].id / "correction.json"
        os.utime(record, (seed, seed))
    left = {each.correction.id for each in store.read()}
    assert {each.id for each in accepted} <= left
    waiting = [each.id in left for each in sent]
    assert waiting == sorted(waiting)  # the newest are there
    assert not waiting[0]
    assert waiting[-1]
    taken = sum(path.stat().st_size for path in store.folder.rglob("*") if path.is_file())
    assert taken + ENTRY_BYTES * len(left) <= 1.1 * MIB


def test_what_people_delete_by_hand_makes_room(store: FeedbackStore) -> None:
    """The count is a guess until it says that it is full; then the folder is counted."""
    first = add(store, 0)
    (store.folder / ".bytes").write_text(str(MIB))
    add(store, 1)
    assert {each.correction.id for each in store.read()} >= {first.id}
    (store.folder / ".bytes").write_text("")  # as a full disk leaves it
    add(store, 2)
    assert len(store.read()) == 3


def test_a_full_disk_leaves_nothing_behind(store: FeedbackStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever of the files is the one that does not fit; and it works again when there is room."""
    write, written = module.write_file, 0

    def full(path: Path, content: bytes) -> None:
        nonlocal written
        if written == fits:
            path.write_bytes(content[: len(content) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written += 1
        write(path, content)

    monkeypatch.setattr(module, "write_file", full)
    for fits in range(3):  # noqa: B007 - `full` looks at it
        written = 0
        with pytest.raises(NotKept, match="No space left"):
            add(store, 1)
        assert store.read() == []
        assert not [path for path in store.folder.iterdir() if path.name.startswith(".begun")]
    monkeypatch.undo()
    add(store, 1)


def test_a_folder_that_cannot_be_used_stops_the_start_and_a_full_disk_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is a mistake in the settings, the second passes."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"DIGITS_FEEDBACK=.*file cannot be used"):
        FeedbackStore(tmp_path / "file", MIB).open()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module, "write_file", full)
    FeedbackStore(tmp_path / "new", MIB).open()


def test_deleted_is_gone(store: FeedbackStore) -> None:
    """One by one, and all at once; its place can be taken again."""
    made = [add(store, seed) for seed in range(4)]
    store.move(made[1].id, State.ACCEPTED)
    store.delete(made[0].id)
    with pytest.raises(NotFound, match="there is no correction"):
        store.delete(made[0].id)
    assert store.delete_all() == 3
    assert store.read() == []
    assert not list(store.folder.glob("*/*/*"))
    assert (store.folder / ".bytes").read_text() == "0"
    add(store, 0)


@pytest.mark.parametrize(
    "bad", ["", "..", "../../etc", "7-3f", "7-" + "0" * 24 + "/..", "/etc/passwd", "7-" + "0" * 24]
)
def test_an_id_never_becomes_another_path(store: FeedbackStore, bad: str) -> None:
    """What is no id is not found, before any file is looked at."""
    for work in (store.path, store.delete, lambda each: store.move(each, State.ACCEPTED)):
        with pytest.raises(NotFound):
            work(bad)


def test_damaged_entries_are_left_out(store: FeedbackStore) -> None:
    """Whatever a person, or a broken disk, has put there."""
    made = add(store, 1)
    broken = {"0": b"", "1": b"[]", "2": b"{}", "3": b"\xff", "4": json.dumps(made.to_json() | {"label": 7}).encode()}
    for name, content in broken.items():
        entry = store.folder / "waiting" / (f"7-{name:0>24}")
        entry.mkdir()
        (entry / "correction.json").write_bytes(content)
    (store.folder / "waiting" / "notes").mkdir()
    (store.folder / "waiting" / "notes.txt").write_text("")
    assert [each.correction.id for each in store.read()] == [made.id]


@pytest.mark.parametrize("label", ["7", None, "ring", "a/b", "..", "é", "none", ""])
def test_every_label_makes_an_id_of_its_own(label: str | None) -> None:
    """A path's one part, which says what it is where it can."""
    others = {
        correction_id(each, b"picture") for each in ("7", None, "ring", "a/b", "..", "é", "none", "") if each != label
    }
    made = correction_id(label, b"picture")
    assert made not in others
    assert module.is_id(made)
    assert made != correction_id(label, b"another")


def keep_many(folder: Path, first: int, killed: Any) -> None:
    """Add corrections from a process of its own; `killed` dies by SIGKILL between two files."""
    store = FeedbackStore(folder, 64 * MIB)
    if killed:
        write = module.write_file

        def die(path: Path, content: bytes) -> None:
            if path.name == "correction.json" and path.parent.name.startswith(".begun"):
                os.kill(os.getpid(), signal.SIGKILL)
            write(path, content)

        module.write_file = die
    for seed in range(first, first + 20):
        store.add(correction(seed), png(seed), image(seed))


def test_several_workers_write_at_once_and_a_killed_one_spoils_nothing(store: FeedbackStore) -> None:
    """Two write the same twenty, one writes others, one is killed within a correction while it holds the lock."""
    context = multiprocessing.get_context("spawn")
    plans = [(0, False), (0, False), (20, False), (40, True)]
    workers = [context.Process(target=keep_many, args=(store.folder, *plan)) for plan in plans]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0, -signal.SIGKILL]
    assert {each.correction.id for each in store.read()} == {correction(seed).id for seed in range(40)}
    store.open()
    assert not [path.name for path in store.folder.iterdir() if path.name.startswith((".begun", ".going"))]
    counted = int((store.folder / ".bytes").read_text())
    assert counted == sum(module.size_of(entry) for entry in (store.folder / "waiting").iterdir())
