"""One trial: the chosen tests against one mutant, in a process of its own that is ended when it takes too long."""

import functools
import gc
import importlib.util
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

from mutants.operators import Mutant, mutated
from mutants.reach import PACKAGE, QUIET, few_examples, import_all

_MEMORY = 6 << 30
_CACHED = type(functools.cache(print))
Functions = dict[tuple[str, str, int], list[FunctionType]]


def in_child(work: Callable[[], bool], limit: float) -> str:
    """Run something in a forked process.

    Args:
        work: Returns True where every test passed.
        limit: Seconds, after which the child and what it started are killed.

    Returns:
        ``survived``, ``killed`` or ``timeout``.
    """
    child = os.fork()
    if not child:
        _alone(work)
    end = time.monotonic() + limit
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return "survived" if status == 0 else "killed"
        if time.monotonic() > end:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return "timeout"
        time.sleep(0.004)


def _alone(work: Callable[[], bool]) -> None:
    # Never returns: what a test does to the process ends with it.
    code = 1
    try:
        os.setsid()
        silent = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silent, stream)
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        code = 0 if work() else 1
    finally:
        os._exit(code)


class _Import(MetaPathFinder):
    """Gives the mutant's source when its module is imported."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant
        name = mutant.path.removesuffix(".py").replace("/", ".")
        self._name = "kexeckit." + name.removesuffix(".__init__")

    def find_spec(self, name: str, _path: Any = None, _target: Any = None) -> ModuleSpec | None:  # noqa: ANN401
        """Find the one module."""
        if name != self._name:
            return None
        file = str(PACKAGE / self._mutant.path)
        return importlib.util.spec_from_file_location(name, file, loader=_Loader(self._mutant, name, file))


class _Loader(SourceFileLoader):
    def __init__(self, mutant: Mutant, name: str, file: str) -> None:
        super().__init__(name, file)
        self._mutant = mutant

    def exec_module(self, module: ModuleType) -> None:
        text = (PACKAGE / self._mutant.path).read_text("utf-8")
        exec(compile(mutated(text, self._mutant), self.path, "exec"), module.__dict__)  # noqa: S102


class Chosen:
    """A plugin that keeps some tests, in their order, and stops at the first that fails."""

    def __init__(self, tests: Sequence[str]) -> None:
        self._tests = list(tests)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the chosen."""
        found = {item.nodeid: item for item in items}
        items[:] = [found[name] for name in self._tests if name in found]


def fresh_trial(mutant: Mutant, tests: Sequence[str]) -> bool:
    """Run tests in a process that has not imported the package yet; for code that runs at import.

    Returns:
        All tests passed.
    """
    sys.meta_path.insert(0, _Import(mutant))
    few_examples()
    files = list(dict.fromkeys(name.split("::")[0] for name in tests))
    return pytest.main([*QUIET, "-x", *files], plugins=[Chosen(tests)]) == 0


class Warm:
    """A plugin that collects every test once, and then runs its own loop in place of pytest's."""

    def __init__(self, loop: Callable[["Warm"], None]) -> None:
        self._loop = loop
        self._session: pytest.Session | None = None
        self._items: dict[str, pytest.Item] = {}
        self._functions: Functions = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Take over, except in the children."""
        if self._session is not None:
            return None
        self._session = session
        self._items = {item.nodeid: item for item in session.items}
        import_all()
        self._functions = functions()
        gc.freeze()
        self._loop(self)
        return True

    def run(self, tests: Sequence[str], mutant: Mutant | None = None) -> bool:
        """Run tests, in a child, against a mutant; say whether all passed."""
        if mutant:
            _replace(mutant, self._functions)
        session = self._session
        assert session is not None
        session.items = [self._items[name] for name in tests if name in self._items]
        session.config.option.maxfail = 1
        try:
            session.config.hook.pytest_runtestloop(session=session)
        except session.Failed:
            return False
        return not session.testsfailed


def functions() -> Functions:
    """Return every function of the package that exists, by file, qualified name and line."""
    found: Functions = {}
    for thing in gc.get_objects():
        if isinstance(thing, FunctionType) and thing.__code__.co_filename.startswith(str(PACKAGE)):
            code = thing.__code__
            name = code.co_filename[len(str(PACKAGE)) + 1 :]
            found.setdefault((name, code.co_qualname, code.co_firstlineno), []).append(thing)
        elif isinstance(thing, _CACHED):
            thing.cache_clear()
    return found


def _replace(mutant: Mutant, known: Functions) -> None:
    assert mutant.outer is not None
    path = PACKAGE / mutant.path
    code = compile(mutated(path.read_text("utf-8"), mutant), str(path), "exec")
    new = next(c for c in _codes(code) if (c.co_qualname, c.co_firstlineno) == mutant.outer)
    for function in known[mutant.path, *mutant.outer]:
        function.__code__ = new


def _codes(code: CodeType) -> list[CodeType]:
    inner = [c for c in code.co_consts if isinstance(c, CodeType)]
    return [*inner, *(found for c in inner for found in _codes(c))]
