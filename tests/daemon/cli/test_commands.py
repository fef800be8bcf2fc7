"""The command line as its users call it."""

from __future__ import annotations

import csv
import io
import json
import os
import shlex
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from config.loading import load
from daemon.cli.session import catalogue_url, not_in_catalogue
from storage.catalogue import Catalogue
from storage.database.catalogue_file import only_writer
from storage.schema.file_stamps import FileStamp
from tests.driving import COMMAND, Valenced, answer, scanned
from tests.records import NOON, record, record_entry
from tests.sounds import music_like, noise, silence, tone, write_audio

PIPE_HOLDS = 65536


NO_SOUND = b"the catalogue has no sound yet; to analyse some: valenced scan DIR\n"
ODD = b"caf\xe9 two\nlines.wav"


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> tuple[Valenced, Path]:
    """Return an installation that knows three sounds, and their folder; to be read only."""
    folder = tmp_path_factory.mktemp("heard")
    music = folder / "music"
    music.mkdir()
    write_audio(music / "tone.wav", tone(3))
    write_audio(music / "noise.wav", noise(3), tags={"artist": "Ann", "title": "Hiss\n#EXTM3U"})
    write_audio(music / os.fsdecode(ODD), music_like(3), kind="wav")
    write_audio(music / "silence.flac", silence(2))
    installed = Valenced(folder / "state", "watch.settle_s=0.3")
    installed("scan", music, exit_code=1)
    return installed, music


of_the_library = pytest.mark.xdist_group("heard")


@of_the_library
def test_every_format_names_the_same_sounds(heard: tuple[Valenced, Path]) -> None:
    valenced, library = heard
    rows = valenced.read("query")
    paths = [os.fsencode(row["path"]) for row in rows]
    assert os.fsencode(library) + b"/" + ODD in paths
    assert valenced("query", "--format", "paths0").split(b"\0")[:-1] == paths
    assert valenced("query", "--format", "paths") == b"".join(path + b"\n" for path in paths)
    text = valenced("query", "--format", "csv").decode("utf-8", "surrogateescape")
    table = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [os.fsencode(row["path"]) for row in table] == paths
    assert list(table[0]) == list(rows[0])
    playlist = valenced("query", "--format", "m3u8").decode("utf-8").splitlines()
    assert playlist[0] == "#EXTM3U"
    assert len(playlist) == 1 + 2 * len(rows)
    assert any(line.startswith("file://") and "caf%E9%20two%0Alines" in line for line in playlist)
    assert "two\\nlines.wav" in valenced("query").decode("utf-8")
    by_kind = [valenced.read("query", "--kind", kind) for kind in ("music", "voice", "sound")]
    found = [os.fsencode(row["path"]) for each in by_kind for row in each]
    assert sorted(found) == sorted(paths)
    assert all(row["kind"] == "music" for row in by_kind[0])


@of_the_library
def test_moods_divide_the_library(heard: tuple[Valenced, Path]) -> None:
    valenced, library = heard
    total = len(valenced.read("query", "--under", library))
    moods = [valenced.read("query", mood) for mood in ("calm", "energetic", "tense", "sad")]
    assert sum(map(len, moods)) == total == 3
    for mood, rows in zip(("calm", "energetic", "tense", "sad"), moods, strict=True):
        assert {row["mood"] for row in rows} <= {mood}
        in_view = valenced.select(f"SELECT path FROM {mood} ORDER BY path")
        assert [os.fsencode(row["path"]) for row in rows] == [path for (path,) in in_view]


@of_the_library
def test_ranges_points_order_and_limit(heard: tuple[Valenced, Path]) -> None:
    valenced, library = heard
    rows = valenced.read("query", "--sort", "-arousal")
    values = [row["arousal"] for row in rows]
    assert values == sorted(values, reverse=True)
    near = valenced.read("query", "--near", f"{values[1]},{rows[1]['valence']}", "--limit", "1")
    assert near == [rows[1]]
    between = valenced.read("query", "--arousal", f"{values[1] - 1e-6}:{values[1] + 1e-6}")
    assert between == [rows[1]]
    assert valenced.read("query", "--under", library / "nowhere") == []


@of_the_library
def test_like_leaves_out_the_file_itself_and_shows_the_distance(
    heard: tuple[Valenced, Path], tmp_path: Path
) -> None:
    valenced, library = heard
    outside = write_audio(tmp_path / "similar.wav", noise(3, seed=7))
    near, far = valenced.read("query", "--like", outside, "--by", "sound", "--limit", "2")
    assert Path(near["path"]).name == "noise.wav"
    assert 0 <= near["distance"] < far["distance"] <= 2
    by_feeling = valenced.read("query", "--like", outside)
    distances = [row["distance"] for row in by_feeling]
    assert distances == sorted(distances)
    assert len(distances) == 3
    others = valenced("query", "--like", library / "tone.wav").decode().splitlines()
    assert others[0].split() == ["mood", "arousal", "valence", "length", "distance", "path"]
    assert len(others) == 3
    assert "tone.wav" not in "".join(others)
    table = valenced("query", "--like", outside, "--format", "csv").decode(errors="replace")
    assert table.startswith("path,")
    assert table.splitlines()[0].endswith(",distance")


@of_the_library
def test_titles_of_a_playlist_come_from_the_tags(heard: tuple[Valenced, Path]) -> None:
    valenced, library = heard
    lines = valenced("query", "--format", "m3u8", "--titles").decode().splitlines()
    assert lines[lines.index(f"{library}/noise.wav") - 1] == "#EXTINF:3,Ann - Hiss\\n#EXTM3U"
    assert lines[lines.index(f"{library}/tone.wav") - 1] == "#EXTINF:3,tone"
    assert len(lines) == 7


@of_the_library
def test_an_empty_answer_says_so(heard: tuple[Valenced, Path]) -> None:
    valenced, library = heard
    assert valenced("query", "--under", library, "--arousal", "1:") == b""
    assert valenced.stderr == "no sound matches\n"
    assert valenced("query", "--under", library / "nowhere") == b""
    assert valenced.stderr == f"no sound matches; there is no {library}/nowhere\n"
    valenced("query", "--percentile", "10", exit_code=2)
    assert "a MOOD is needed" in valenced.stderr


@of_the_library
def test_a_path_is_whole_on_its_line(heard: tuple[Valenced, Path]) -> None:
    valenced, library = heard
    lines = valenced("query").decode().splitlines()
    assert len(lines) == 4
    assert f"{library}/noise.wav" in lines[2].split()


@of_the_library
def test_show_prints_everything_about_a_file(heard: tuple[Valenced, Path]) -> None:
    valenced, library = heard
    document = valenced.read("show", library / "noise.wav")
    assert document["sound"]["path"] == str(library / "noise.wav")
    assert document["curve"]
    assert document["tags"]["VALENCED"]
    text = valenced("show", library / "noise.wav").decode()
    assert "between" in text
    assert "novelty" in text
    assert "silence" in valenced.read("show", library / "silence.flac")["failure"]["reason"]


def test_retry_makes_a_failed_file_due_for_the_next_scan(valenced: Valenced, music: Path) -> None:
    (music / "letter.mp3").write_text("no song\n" * 99)
    valenced("scan", music, exit_code=1)
    assert valenced.read("scan", music, exit_code=1) == scanned(0, failed_before=1)
    assert "1 failed before and are not due for a retry yet" in valenced.stderr
    valenced("retry", music)
    assert valenced.stderr.startswith("1 file ")
    assert valenced.read("scan", music, exit_code=1) == scanned(0, failed=1)


def test_a_file_that_failed_cannot_be_annotated_and_says_why(
    valenced: Valenced, music: Path
) -> None:
    letter = music / "letter.mp3"
    letter.write_text("no song\n" * 99)
    valenced("scan", music, exit_code=1)
    valenced("annotate", letter, "--arousal", "0.1", exit_code=1)
    assert f"{letter}: could not be analysed: damaged, or not a sound file" in valenced.stderr


def test_a_scan_ends_although_a_file_never_does(valenced: Valenced, music: Path) -> None:
    good = write_audio(music / "good.wav", tone(1))
    growing = write_audio(music / "two\nlines.wav", noise(60))
    append = 'while :; do printf xxxx >> "$0"; sleep 0.05; done'
    with subprocess.Popen(["sh", "-c", append, growing]) as writer:
        try:
            # The writer must not pause for as long as this, however busy the machine is.
            report = valenced.read("scan", music, "--set", "watch.settle_s=2", exit_code=1)
        finally:
            writer.kill()
    assert report == {**scanned(1), "unsettled": [str(growing)]}
    assert "two\\nlines.wav: still being written; run scan again" in valenced.stderr
    assert [row["path"] for row in valenced.read("query")] == [str(good)]
    assert valenced.read("scan", music) == scanned(1)


def test_a_scan_does_not_wait_for_a_writer_that_never_closes(
    valenced: Valenced, music: Path
) -> None:
    held = [write_audio(music / name, tone(1)) for name in ("a.wav", "b.wav")]
    with held[0].open("ab"), held[1].open("ab"):
        valenced("scan", music, exit_code=1)
    assert "a.wav and 1 more: still being written" in valenced.stderr


def test_a_scan_does_not_wait_for_a_file_that_it_postpones_repeatedly(
    valenced: Valenced, music: Path
) -> None:
    file = write_audio(music / "a.wav", tone(1))
    valenced.create_catalogue()
    with closing(Catalogue(f"sqlite:///{valenced.catalogue}")) as catalogue:
        catalogue.queue.put([(file, FileStamp.of(file.lstat()))], NOON)
    with file.open("ab"):
        report = valenced.read("scan", music, exit_code=1)
    assert report == {**scanned(0), "unsettled": [str(file)]}
    assert valenced.read("scan", music) == scanned(1)


def test_a_scan_ignores_failures_elsewhere(valenced: Valenced, music: Path) -> None:
    (music / "a").mkdir()
    (music / "b").mkdir()
    (music / "a" / "letter.mp3").write_text("no song\n" * 99)
    valenced("scan", music, exit_code=1)
    assert valenced.read("scan", music / "b") == scanned(0)
    assert valenced.read("scan", music / "a" / "letter.mp3", exit_code=1) == scanned(
        0, failed_before=1
    )


def test_a_catalogue_of_a_later_release_ends_it_as_wrong_settings_do(
    valenced: Valenced, music: Path
) -> None:
    valenced.create_catalogue()
    with closing(sqlite3.connect(valenced.catalogue)) as plain:
        plain.execute("PRAGMA user_version = 99")
    before = valenced.catalogue.read_bytes()
    valenced("run", music, exit_code=78)
    assert "schema 99" in valenced.stderr
    assert "upgrade valenced" in valenced.stderr
    assert valenced.catalogue.read_bytes() == before


def test_a_dry_run_lists_what_is_new_and_changes_nothing(valenced: Valenced, music: Path) -> None:
    file = write_audio(music / "a.wav", tone(1))
    assert valenced.read("scan", music, "--dry-run")["new"] == [str(file)]
    assert not valenced.catalogue.exists()
    valenced.catalogue.parent.mkdir(exist_ok=True)
    # As an upgrade that changes the features finds it: the next scan analyses the file again.
    with closing(Catalogue(f"sqlite:///{valenced.catalogue}")) as catalogue:
        stamp = FileStamp.of(file.stat())
        catalogue.queue.put([(file, stamp)], NOON)
        entry = catalogue.queue.claim(NOON)
        assert entry is not None
        known = record_entry(catalogue, entry)
        catalogue.bundles.record("test-1", "", {"hearing": known.identity})
    assert valenced.read("scan", music, "--dry-run")["new"] == [str(file)]


@pytest.mark.parametrize(
    "line",
    [
        ("query", "joyful"),
        ("query", "--arousal", "0.5"),
        ("query", "--arousal", "0.5:0.1"),
        ("query", "--arousal", "nan:1"),
        ("query", "--near", "0.5"),
        ("query", "--near", "5,5"),
        ("query", "--sort", "colour"),
        ("query", "--limit", "0"),
        ("scan", "/nowhere/at/all"),
        ("nonsense",),
    ],
)
def test_wrong_usage_ends_in_2(valenced: Valenced, line: tuple[str, ...]) -> None:
    valenced(*line, exit_code=2)
    assert "Error" in valenced.stderr
    assert "Traceback" not in valenced.stderr


def test_wrong_settings_end_in_78_with_one_line_each(valenced: Valenced) -> None:
    valenced("status", "--set", "watch.settel_s=3", "--set", "tags.mode=magic", exit_code=78)
    assert len(valenced.stderr.splitlines()) == 2
    valenced("run", exit_code=78)
    assert "nothing to watch" in valenced.stderr


@pytest.mark.parametrize("command", ["status", "query", "show x.wav", "retry", "tags strip /etc"])
def test_nothing_but_run_and_scan_creates_a_catalogue(
    tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    assert answer(monkeypatch, *command.split()) == 1
    assert "there is no catalogue: the first run or scan creates it" in capfd.readouterr().err
    assert not (tmp_path / "catalogue.db").exists()


def test_a_hint_names_the_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    Catalogue(f"sqlite:///{tmp_path}/catalogue.db").close()
    unknown = tmp_path / "a song.wav"
    unknown.touch()
    said = {}
    for path in (unknown, tmp_path, Path("/nope")):
        assert answer(monkeypatch, "show", str(path)) == 1
        said[path] = capfd.readouterr().err
    assert f"valenced scan '{unknown}'\n" in said[unknown]
    assert "is a folder" in said[tmp_path]
    assert "there is no such file" in said[Path("/nope")]
    assert "scan" not in said[tmp_path] + said[Path("/nope")]


def test_a_pass_that_could_not_list_a_folder_does_not_end_with_0(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    music = tmp_path / "music"
    music.mkdir()
    with closing(Catalogue(f"sqlite:///{tmp_path}/state/catalogue.db")) as catalogue:
        record(catalogue, music / "a.flac")
    # Empty, though a file is known in it: its disk is not mounted.
    for extra, said in (((), "not everything was seen: 1 folder"), (("--dry-run",), "cannot be")):
        assert answer(monkeypatch, "scan", str(music), *extra) == 1
        assert said in capfd.readouterr().err
        assert answer(monkeypatch, "scan", str(music), *extra, "--format", "json") == 1
        assert list(json.loads(capfd.readouterr().out)["unread"]) == [str(music)]


def test_an_empty_list_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    Catalogue(f"sqlite:///{tmp_path}/catalogue.db").close()
    for line, code, said in (
        (("corpus", "list"), 0, "valenced corpus add KIND DIR, where KIND is pmemo"),
        (("corpus", "add", "pmemo", str(tmp_path / "no")), 1, "name the folder"),
        (("query",), 0, "the catalogue has no sound yet"),
        (("retry",), 0, "0 files will be retried"),
        (("tags", "strip", str(tmp_path)), 1, "no file there is in the catalogue"),
    ):
        assert answer(monkeypatch, *line) == code
        shown = capfd.readouterr()
        assert said in shown.err
        assert shown.out == ""


@of_the_library
def test_another_encoding_changes_no_name_and_ends_no_command(
    heard: tuple[Valenced, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    valenced, library = heard
    expected = valenced("query", "--format", "csv")
    ascii_only = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    monkeypatch.setattr(valenced, "environment", valenced.environment | ascii_only)
    assert valenced("query", "--format", "csv") == expected
    valenced.environment["PYTHONIOENCODING"] = "koi8-r"
    assert " +/- " in valenced("query").decode("koi8-r")
    assert "between" in valenced("show", library / "noise.wav").decode("koi8-r")


def test_settings_count_before_the_command_and_behind_it(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    before, behind = ("--set", "watch.settle_s=7"), ("--set", "watch.settle_s=8")
    for line, value in (
        ((*before, "config", "show"), 7.0),
        (("config", *before, "show"), 7.0),
        ((*before, "config", "show", *behind), 8.0),
        ((*behind, "config", *before, "show"), 7.0),
    ):
        assert answer(monkeypatch, *line, "--format", "json") == 0
        shown = json.loads(capfd.readouterr().out)
        assert shown["watch.settle_s"] == {"value": value, "source": "--set"}


def test_the_nearest_command_is_named_for_a_typo(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for line, nearest in (
        (("querry",), "'query'"),
        (("tags", "retsore", "x"), "'restore'"),
        (("query", "--percentil", "3"), "'--percentile'"),
    ):
        assert answer(monkeypatch, *line) == 2
        assert f"Did you mean {nearest}" in capfd.readouterr().err


def test_a_group_alone_shows_its_help(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for line in ((), ("tags",)):
        assert answer(monkeypatch, *line) == 2
        shown = capfd.readouterr().err
        assert "\nCommands:\n" in shown
        assert "\\n" not in shown


def test_no_sentence_of_the_help_is_cut(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    for line in ((), ("tags",), ("corpus",), ("bundles",), ("config",)):
        assert answer(monkeypatch, *line, "--help") == 0
        shown = capfd.readouterr().out
        assert "..." not in shown.partition("Commands:")[2]
        assert all(len(each) <= 60 for each in shown.splitlines())


def test_completion_knows_settings_bundles_and_the_keys_of_sort(tmp_path: Path) -> None:
    (tmp_path / "bundles" / "learned-1").mkdir(parents=True)
    environment = os.environ | {"STATE_DIRECTORY": str(tmp_path)}
    for words, expected in (
        ("valenced query --sort aro", ["arousal", "arousal_low", "arousal_high"]),
        ("valenced query --set watch.set", ["watch.settle_s="]),
        ("valenced bundles show l", ["learned-1"]),
        ("valenced bun", ["bundles"]),
    ):
        asked = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        for shell in ("bash", "fish"):
            asked["_VALENCED_COMPLETE"] = f"{shell}_complete"
            if shell == "fish":
                asked["COMP_CWORD"] = words.rpartition(" ")[2]
            done = subprocess.run(
                [COMMAND], env=environment | asked, capture_output=True, text=True, check=True
            )
            found = [line.partition(",")[2].split("\t")[0] for line in done.stdout.splitlines()]
            assert found == expected


@pytest.mark.parametrize(
    ("redirected", "code", "said"),
    [
        (">&-", 1, "stdout: cannot be written: Bad file descriptor"),
        (">/dev/full", 1, "stdout: cannot be written: No space left on device"),
        ("2>&- | cat >&2", 0, "catalogue"),
        ("2>/dev/full | cat >&2", 0, "catalogue"),
        ("<&- >&2", 0, "catalogue"),
    ],
)
def test_closed_and_full_streams(valenced: Valenced, redirected: str, code: int, said: str) -> None:
    valenced.catalogue.parent.mkdir()
    other = "analysis.on_battery=go on"  # of which the log warns
    line = shlex.join(map(str, valenced.line("config", "path", "--set", other)))
    script = f"set -o pipefail; {line} {redirected}"
    done = subprocess.run(
        ["bash", "-c", script],
        env=valenced.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "unexpected" not in done.stderr


def test_config_show_names_the_source_of_every_value(valenced: Valenced) -> None:
    shown = valenced.read("config", "show")
    assert shown["watch.settle_s"] == {"value": 0.3, "source": "--set"}
    assert shown["tags.mode"] == {"value": "replace", "source": "default"}
    assert "catalogue" in valenced("config", "path").decode()


def test_a_setting_of_an_earlier_release_works_with_one_warning(valenced: Valenced) -> None:
    shown = valenced.read("config", "show", "--set", "analysis.on_battery=go on")
    assert shown["analysis.on_battery"] == {"value": "continue", "source": "--set"}
    (line,) = valenced.stderr.splitlines()
    assert "WARNING analysis.on_battery = 'go on' (from --set): write 'continue'" in line


def test_check_finds_what_would_fail(valenced: Valenced, tmp_path: Path) -> None:
    folder = f'watch.folder=[{{path = "{tmp_path}"}}, {{path = "/nowhere"}}]'
    findings = valenced.read("check", "--set", folder, exit_code=1)
    assert {finding["level"] for finding in findings} >= {"ok", "fail"}
    assert any("/nowhere" in finding["what"] for finding in findings if finding["level"] == "fail")
    assert all(
        "/nowhere" not in finding["what"] for finding in findings if finding["level"] == "ok"
    )


def test_what_to_do_about_an_unknown_file_depends_on_its_name_and_the_service(
    tmp_path: Path,
) -> None:
    loaded = load(environ={"STATE_DIRECTORY": str(tmp_path), "HOME": str(tmp_path)})
    sound, notes = tmp_path / "a b.flac", tmp_path / "notes.txt"
    sound.touch()
    notes.touch()
    assert f"valenced scan '{sound}'" in str(not_in_catalogue(loaded, sound))
    assert "watch.suffixes" in str(not_in_catalogue(loaded, notes))
    link, pipe = tmp_path / "link.flac", tmp_path / "pipe.flac"
    link.symlink_to(sound)
    os.mkfifo(pipe)
    assert "name the file that it leads to" in str(not_in_catalogue(loaded, link))
    assert "no regular file" in str(not_in_catalogue(loaded, pipe))
    with only_writer(catalogue_url(loaded)):
        said = str(not_in_catalogue(loaded, sound))
    assert "the running service" in said
    assert "valenced scan" not in said


def test_bundles_show_their_scores_and_their_weakness(valenced: Valenced) -> None:
    text = valenced("bundles", "show").decode()
    assert "starter" in text
    assert "trust an order more than a value" in text
    first, *scores = (line for line in text.splitlines() if "CCC" in line or line.endswith("%"))
    assert len(scores) > 10
    assert {len(line) for line in scores} == {len(first)}
    (bundle,) = valenced.read("bundles", "list")
    assert bundle["name"].startswith("starter")


def test_the_output_may_be_closed_early(valenced: Valenced, music: Path) -> None:
    sound = write_audio(music / f"{'long name ' * 20}.wav", tone(1)).read_bytes()
    for number in range(260):
        (music / f"{'long name ' * 20}{number}.wav").write_bytes(sound)
    valenced("scan", music, "--no-tags")
    for output in ("table", "json", "csv", "m3u8", "paths", "paths0"):
        query = valenced.line("query", "--format", output)
        whole = valenced("query", "--format", output)
        assert len(whole) > PIPE_HOLDS
        done = valenced.piped(query, "head -c 1")
        assert (done.returncode, done.stdout, done.stderr) == (0, whole[:1], b"")


@pytest.mark.parametrize("command", ["status", "query", "query --help", "--help", "query --near x"])
def test_output_need_not_be_read(valenced: Valenced, command: str) -> None:
    valenced.create_catalogue()
    line = valenced.line(*command.split())
    done = valenced.piped([COMMAND, command] if command == "--help" else line, "true")
    if "near" in command:
        assert done.returncode == 2
    else:
        assert done.returncode == 0
        assert done.stderr in {b"", NO_SOUND}


def test_quiet_leaves_answers_warnings_and_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    os.umask(0o077)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    Catalogue(f"sqlite:///{tmp_path}/catalogue.db").close()
    music = tmp_path / "music"
    music.mkdir()
    for line, code, said in (
        (("-q", "query"), 0, ""),
        (("scan", "--dry-run", str(music), "--quiet"), 0, ""),
        (("tags", "-q", "strip", str(music)), 1, "no file there is in the catalogue\n"),
        (("show", "-q", "/nowhere.wav"), 1, "valenced: /nowhere.wav: there is no such file"),
        (("query", "-q", "--set", "tags.step=0"), 78, "valenced: tags.step = 0"),
        (("query", "-qv"), 2, "Usage: valenced query"),
    ):
        assert answer(monkeypatch, *line) == code
        shown = capfd.readouterr()
        assert shown.err.startswith(said), line
        assert bool(shown.err) == bool(said), line
        assert shown.out == ""
    assert answer(monkeypatch, "-q", "config", "path") == 0
    assert capfd.readouterr().out.endswith(f"catalogue  {tmp_path}/catalogue.db\n")


def test_verbose_says_which_settings_and_which_catalogue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    (tmp_path / "x.toml").write_text("[tags]\nstep = 3\n")
    assert answer(monkeypatch, "-v", "config", "path", "--config", str(tmp_path / "x.toml")) == 0
    shown = capfd.readouterr()
    assert shown.out.splitlines()[0] == f"settings   {tmp_path}/x.toml"
    lines = shown.err.splitlines()
    assert lines[0].endswith(f"DEBUG settings: {tmp_path}/x.toml, default")
    assert lines[1].endswith(f"DEBUG catalogue: sqlite:///{tmp_path}/catalogue.db")


@of_the_library
@pytest.mark.parametrize(
    "options",
    [["--by", "sound"], ["--by", "sound", "--near", "0,0"], ["--titles"], ["--relative-to", "/"]],
)
def test_an_option_that_changes_nothing_is_refused(
    heard: tuple[Valenced, Path], options: list[str]
) -> None:
    heard[0]("query", *options, exit_code=2)


@of_the_library
def test_a_playlist_that_becomes_too_short_is_told(heard: tuple[Valenced, Path]) -> None:
    valenced, _ = heard
    ways = "query", "--from", "0,0", "--to", "0.1,0.1", "--length"
    valenced(*ways, "45m")
    assert "not 45:00: no more sounds lie on the way" in valenced.stderr
    valenced(*ways, "3s")
    assert "lasts" not in valenced.stderr


def without_privileges(valenced: Valenced) -> Valenced:
    """Return the same installation for a user who may not read everything, as root may."""
    gives_up = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    return Valenced(valenced.catalogue.parent, by=gives_up * (os.geteuid() == 0))


def test_a_file_below_a_closed_folder_is_not_said_to_be_absent(
    valenced: Valenced, tmp_path: Path
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    inside = write_audio(closed / "a.wav", tone(1))
    with closing(Catalogue(f"sqlite:///{valenced.catalogue}")):
        pass
    closed.chmod(0)
    weak = without_privileges(valenced)
    try:
        weak("show", inside, exit_code=1)
        assert "unexpected" not in weak.stderr
        assert "there is no" not in weak.stderr
        weak("query", "--under", closed / "b")
        assert "there is no" not in weak.stderr
    finally:
        closed.chmod(0o700)


def test_why_a_file_failed_that_may_not_be_read_is_shown(valenced: Valenced, music: Path) -> None:
    file = write_audio(music / "a.wav", tone(1))
    with closing(Catalogue(f"sqlite:///{valenced.catalogue}")) as catalogue:
        catalogue.queue.put([(file, FileStamp.of(file.stat()))], NOON)
        entry = catalogue.queue.claim(NOON)
        assert entry is not None
        catalogue.queue.fail(entry, "permission denied", None)
    file.chmod(0)
    weak = without_privileges(valenced)
    assert b"permission denied" in weak("show", file)
