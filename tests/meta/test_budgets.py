"""Size limits: the tail is where code rots, so the tail is what is watched."""

import ast

from source_tree import Function, files, modules

FILE_LINES = 500
FUNCTION_LINES = 60
PARAMETERS = 7
FOLDERS = ("src", "tests", "bench")


def test_no_file_is_longer_than_500_lines() -> None:
    """Code files of any language count."""
    long = {
        str(path): count
        for path in files(".py", ".c", ".h", ".S", ".sh")
        if (count := len(path.read_text("utf-8").splitlines())) > FILE_LINES
    }
    assert not long


def test_no_function_is_longer_than_60_lines() -> None:
    """From `def` to the last line, docstring included."""
    long = [
        f"{module.path}:{f.lineno} {f.name}: {lines}"
        for module in modules(*FOLDERS)
        for f in module.functions()
        if (lines := (f.end_lineno or f.lineno) - f.lineno + 1) > FUNCTION_LINES
    ]
    assert not long


def test_no_function_has_more_than_7_parameters() -> None:
    """Beyond that, a request becomes a value; `self` and `cls` do not count.

    In tests, keywords with a default do not count either: a builder of fakes has one per field of what it fakes, and
    a test names the one that it is about.
    """
    wide = [
        f"{module.path}:{f.lineno} {f.name}: {count}"
        for module in modules(*FOLDERS)
        for f in module.functions()
        if (count := _parameters(f) - (_defaulted(f) if module.path.startswith("tests/") else 0)) > PARAMETERS
    ]
    assert not wide


def _parameters(function: Function) -> int:
    arguments = function.args
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return len([n for n in names if n not in ("self", "cls")]) + bool(arguments.vararg) + bool(arguments.kwarg)


def _defaulted(function: Function) -> int:
    return sum(default is not None for default in function.args.kw_defaults)


def test_the_limits_can_fail() -> None:
    """The counting is right: a function of three lines and two parameters is seen as that."""
    function = ast.parse("def f(self, a, *, b):\n    x = a\n    return x\n").body[0]
    assert isinstance(function, ast.FunctionDef)
    assert _parameters(function) == 2
    assert (function.end_lineno or 0) - function.lineno + 1 == 3
