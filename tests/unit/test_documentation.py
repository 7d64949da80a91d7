"""The documentation names what there is: links, verbs, options, files, settings, codes and lanes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import click
import pytest
import yaml

from harness.cli import Verb, cli
from harness.exits import Exit
from harness.settings import DEFAULT_FILE, ROOT, load
from lanes import LANES

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
SETTINGS = yaml.safe_load(DEFAULT_FILE.read_text(encoding="utf-8"))
DEADLINES = SETTINGS["deadlines"]
PROGRAM = "kwok-harness"
COMMANDS = {name: verb.load() for name, verb in cli.commands.items() if isinstance(verb, Verb)}

_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:(?<=\n\n)|\A)(?:(?: {4}.*)?\n)+", re.MULTILINE)  # of a block that follows an empty line
_SPAN = re.compile(r"(`+)(.+?)\1", re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_OPTION = re.compile(r"--?[a-z][a-z-]*")
_ENDS_COMMAND = re.compile(r"\s(?:#|\||\|\||&&|>|>>)\s|;(?:\s|$)")
_FILE = re.compile(r"(?:harness|kwok|lanes|tests|docs)/[\w./-]+|settings\.yaml")
_KEY = re.compile(r"(?:deadlines|nodes|ports|retries|volumes)\.[a-z_]+")
_VARIABLE = re.compile(r"\bKWOK_[A-Z_]*[A-Z]\b(?!_)")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


@dataclass(frozen=True)
class Marked:
    """A page taken apart: `prose` has no code, `blocks` are the lines of its blocks, `spans` what is in backticks."""

    prose: str
    blocks: tuple[str, ...]
    spans: tuple[str, ...]


@cache
def marked(page: Path) -> Marked:
    """The page, read once."""
    text = page.read_text(encoding="utf-8")
    blocks: list[str] = []
    for pattern in (_FENCED, _INDENTED):
        blocks += [line for block in pattern.findall(text) for line in block.splitlines()]
        text = pattern.sub("\n", text)
    spans = tuple(" ".join(found[1].split()) for found in _SPAN.findall(text))
    return Marked(_SPAN.sub("``", text), tuple(blocks), spans)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", _FENCED.sub("", page.read_text(encoding="utf-8")), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", _LINK.sub("", heading).strip().lower()).replace(" ", "-")
        number = sum(each == slug or re.fullmatch(rf"{re.escape(slug)}-\d+", each) is not None for each in found)
        found.add(f"{slug}-{number}" if number else slug)
    return found


def commands(page: Path) -> Iterator[list[str]]:
    """The words after `kwok-harness` of every command on a page, and of spans such as `run RECIPE --keep`."""
    code = marked(page)
    for text in (*code.blocks, *code.spans):
        for _, _, rest in (part.partition(f"{PROGRAM} ") for part in re.split(rf"(?={PROGRAM} )", text)):
            if words := re.sub(r"[\[\]()\"']", " ", _ENDS_COMMAND.split(rest)[0]).split():
                yield words
    for span in code.spans:
        words = re.sub(r"[\[\]]", " ", span).split()
        if words[0] in COMMANDS and any(_OPTION.fullmatch(word) for word in words):
            yield words


def wrong(words: list[str]) -> str:
    """What is wrong with a command line's verbs and options; empty where nothing is. Placeholders are left alone."""
    command: click.Command = cli
    rest = iter(words)
    for word in rest:
        name, _, _ = word.partition("=")
        if _OPTION.fullmatch(name):
            known = {option: each for each in command.params for option in (*each.opts, *each.secondary_opts)}
            if name not in known and name != "--help":
                return f"{command.name} has no option {name}"
            if isinstance(command, click.Group) and name in known:
                next(rest, None)  # its value is no verb
        elif isinstance(command, click.Group) and re.fullmatch(r"[a-z-]+", word):
            verbs = COMMANDS if command is cli else command.commands
            if word not in verbs:
                return f"{command.name} has no verb {word!r}"
            command = verbs[word]
    return ""


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    """A relative link names a file that is there, and a heading that is in it."""
    broken = []
    for link in _LINK.findall(marked(page).prose):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file) if file else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


@each_page
def test_every_command_exists(page: Path) -> None:
    """A verb that is written down is one of the command line, and has the options that are written after it."""
    assert [f"{' '.join(words)}: {what}" for words in commands(page) if (what := wrong(words))] == []


@each_page
def test_an_option_by_itself_is_one_of_some_verb(page: Path) -> None:
    """`--keep`, in running text, can be given somewhere."""
    inner = [each for one in COMMANDS.values() if isinstance(one, click.Group) for each in one.commands.values()]
    every = (cli, *COMMANDS.values(), *inner)
    known = {option for one in every for each in one.params for option in (*each.opts, *each.secondary_opts)}
    written = {span.split()[0] for span in marked(page).spans if re.match(r"--[a-z]", span)}
    assert written <= known | {"--help"}


@each_page
def test_every_file_is_there(page: Path) -> None:
    """A path of the repository that stands in backticks leads to a file or a directory."""
    missing = [span for span in marked(page).spans if _FILE.fullmatch(span) and not (ROOT / span).exists()]
    assert missing == []


@each_page
def test_every_target_exists(page: Path) -> None:
    """`make TARGET` is in the Makefile."""
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    code = marked(page)
    lines = [*code.blocks, *(span for span in code.spans if span.startswith("make "))]
    named = {found for line in lines for found in re.findall(r"(?:^|[\s;])make ([a-z][a-z0-9-]*)", line)}
    assert named <= targets


@each_page
def test_every_setting_exists(page: Path) -> None:
    """A dotted key is one of settings.yaml, and a variable one that the harness takes."""
    keys = {span.partition("=")[0] for span in marked(page).spans if _KEY.match(span)}
    assert [key for key in keys if key.partition(".")[2] not in SETTINGS[key.partition(".")[0]]] == []
    load(environment=dict.fromkeys(_VARIABLE.findall(page.read_text(encoding="utf-8")), ""))


@pytest.mark.parametrize("code", Exit, ids=lambda code: code.name)
def test_every_exit_code_is_explained(code: Exit) -> None:
    """docs/exit-codes.md has a row for each, with its name; the README names it."""
    page = (DOCS / "exit-codes.md").read_text(encoding="utf-8")
    assert f"| {int(code)} | `{code.name}` |" in page
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.search(rf"^\|[ \d,]*\b{int(code)}\b[ \d,]*\|", readme, re.MULTILINE)


@pytest.mark.parametrize("key", DEADLINES)
def test_every_deadline_is_explained(key: str) -> None:
    """docs/deadlines.md has a row for each, with the default of settings.yaml."""
    page = (DOCS / "deadlines.md").read_text(encoding="utf-8")
    assert re.search(rf"^\| `{key}` \| {DEADLINES[key]} \|", page, re.MULTILINE)


@pytest.mark.parametrize("lane", [lane.name for lane in LANES])
def test_every_lane_is_in_the_coverage_table(lane: str) -> None:
    """docs/lanes.md and the README say what each lane shows."""
    heading = next(
        line for line in (DOCS / "lanes.md").read_text(encoding="utf-8").splitlines() if line.startswith("| exercised")
    )
    assert f"`{lane}`" in heading
    assert f"| `{lane}` |" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("index", [DOCS / "README.md", DOCS / "adr" / "README.md"], ids=["docs", "adr"])
def test_every_page_is_in_its_index(index: Path) -> None:
    """Whoever looks for an answer finds the page that has it."""
    pages = {page.name for page in index.parent.glob("*.md")} - {index.name}
    assert pages <= {link.rpartition("/")[2] for link in _LINK.findall(marked(index).prose)}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("run RECIPE --keep", ""),
        ("-o nodes.system=3 run eks-training -d helm", ""),
        ("recipes why eks-training --json", ""),
        ("walk", "cli has no verb 'walk'"),
        ("recipes wy", "recipes has no verb 'wy'"),
        ("run RECIPE --keeep", "run has no option --keeep"),
    ],
)
def test_a_wrong_command_is_seen(text: str, problem: str) -> None:
    """The check itself: it lets right ones pass, and names what is wrong with others."""
    assert wrong(text.split()) == problem
