"""docs/errors.md has each message that the packages can raise or warn with, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import kairos
import kairos_redis

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/errors.md"
CLASSES = [*vars(kairos).values(), kairos_redis.NotAcknowledged]
ERRORS = {c.__name__ for c in CLASSES if isinstance(c, type) and issubclass(c, kairos.KairosError)}
GAP = "…"
WARN = {"warn", "_warn"}


def messages(tree: ast.Module) -> Iterator[tuple[int, str, set[str]]]:
    """Yield line, message and classes of each error made and each warning given; what is filled in is a gap."""
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    of_module = strings(tree)
    for scope in ast.walk(tree):
        if isinstance(scope, ast.FunctionDef):
            names = {**of_module, **strings(scope)}
            for node in ast.walk(scope):
                if isinstance(node, ast.Call) and node.args and (classes := classes_made(node, names)):
                    for found in spelled(node.args[0], names, functions):
                        if found != GAP or "_warn" not in (
                            scope.name,
                            called(node),
                        ):  # its callers are counted
                            yield node.lineno, plain(found), classes


def classes_made(node: ast.Call, names: dict[str, list[ast.expr]]) -> set[str]:
    """Return the errors that a call makes, also by a name that was given such a class; or that it warns."""
    given = [part for value in names.get(called(node), []) for part in ast.walk(value)]
    found = {called(node), *(part.id for part in given if isinstance(part, ast.Name))}
    return found & ERRORS | ({"a warning"} if found & WARN else set())


def plain(message: str) -> str:
    """Return what a message says without what was given: to its first "; got", gaps and spaces as one."""
    return re.sub(f"{GAP}+", GAP, " ".join(message.split())).partition("; got ")[0].rstrip(";:, ")


def called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def strings(scope: ast.AST) -> dict[str, list[ast.expr]]:
    """Return the expressions that plain names are given in a scope."""
    found: dict[str, list[ast.expr]] = {}
    body = scope.body if isinstance(scope, ast.Module) else list(ast.walk(scope))
    for node in body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found.setdefault(node.targets[0].id, []).append(node.value)
    return found


def spelled(
    node: ast.expr, names: dict[str, list[ast.expr]], functions: dict[str, ast.FunctionDef]
) -> list[str]:
    """Return what an expression can be as text, one for each branch, with a gap for what only the run knows."""

    def again(part: ast.expr, without: str = "") -> list[str]:
        return spelled(part, {name: value for name, value in names.items() if name != without}, functions)

    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.FormattedValue):
        inner = node.value
        if isinstance(inner, ast.Name) and node.conversion == -1:
            known = [text for text in again(inner) if text != GAP and len(text) > 3]
            return known if len(known) == 1 else [GAP]
        return [GAP]
    if isinstance(node, ast.JoinedStr):
        texts = [""]
        for part in node.values:
            texts = [text + more for text in texts for more in again(part)]
        return texts
    if isinstance(node, ast.Name):
        given = names.get(node.id, [])
        return [text for value in given for text in again(value, node.id)] or [GAP]
    if isinstance(node, ast.IfExp):
        return again(node.body) + again(node.orelse)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [left + right for left in again(node.left) for right in again(node.right)]
    if isinstance(node, ast.Call) and called(node) in functions:
        inside = functions[called(node)]
        returned = [n.value for n in ast.walk(inside) if isinstance(n, ast.Return) and n.value is not None]
        texts = [text for value in returned for text in spelled(value, strings(inside), {})]
        if set(texts) != {GAP}:
            return texts
        parts = (n for n in ast.walk(inside) if isinstance(n, ast.JoinedStr))
        texts = [text for part in parts for text in again(part)]  # joined by the run: each part is an entry
        return [text for text in texts if len(text.replace(GAP, "")) > 15]
    return [GAP]


def all_messages() -> dict[str, tuple[str, set[str]]]:
    """Return message -> where it is made first, and as what."""
    found: dict[str, tuple[str, set[str]]] = {}
    for path in sorted([*ROOT.glob("kairos-*/src/**/*.py"), *ROOT.glob("conformance/src/**/*.py")]):
        for line, message, classes in messages(ast.parse(path.read_text("utf-8"))):
            found.setdefault(message, (f"{path.relative_to(ROOT)}:{line}", set()))[1].update(classes)
    return found


MESSAGES = all_messages()


def entry(message: str) -> str:
    """Return the page's line for a message."""
    return f"- `{message}` ({', '.join(sorted(MESSAGES[message][1]))})"


def test_every_message_can_be_read_from_the_code() -> None:
    unreadable = [
        where for message, (where, _) in MESSAGES.items() if len(message.replace(GAP, "").strip()) < 8
    ]
    assert unreadable == []


def test_every_message_of_the_code_is_on_the_page() -> None:
    lines = PAGE.read_text("utf-8").splitlines()
    missing = {
        entry(message): where for message, (where, _) in MESSAGES.items() if entry(message) not in lines
    }
    assert missing == {}


def test_every_message_on_the_page_is_in_the_code() -> None:
    lines = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("- `")]
    assert [line for line in lines if line not in {entry(message) for message in MESSAGES}] == []


def test_every_message_on_the_page_has_its_cause_and_cure() -> None:
    blocks = re.split(r"\n\n+", PAGE.read_text("utf-8"))
    pairs = zip(blocks, [*blocks[1:], ""], strict=True)
    assert [
        block for block, after in pairs if block.startswith("- `") and after[:2] in ("", "- ", "##")
    ] == []


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_every_exception_is_on_the_page(name: str) -> None:
    assert f"| `{name}` |" in PAGE.read_text("utf-8")


if __name__ == "__main__":  # what to add to the page
    for number, (message, (where, _)) in enumerate(MESSAGES.items()):
        print(number, where, entry(message))
