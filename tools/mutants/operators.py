"""The faults: which places of a module can be changed, and how.

A mutant is known by a stable id, ``file:function:operator:occurrence``, so that a list of equivalent ones stays valid
while other parts of the file change. Strings, annotations, decorators, docstrings, messages of exceptions and
``__repr__`` are left alone.
"""

import ast
import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

# Fields of nodes that are not code of the program.
_NOT_CODE = ("annotation", "returns", "decorator_list", "type_params")
_SILENT = ("__repr__", "__str__", "__format__")
_SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
    ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
    ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip
Place = tuple[ast.AST, str, int | None]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault.

    Attributes:
        path: File, relative to the package's folder.
        function: Qualified name of the innermost function or class, or ``module``.
        operator: Short name of the kind of change.
        occurrence: Number among those of this operator in this function, from 1.
        what: Old and new text.
        lines: First and last line of the statement (of its head, where it has a body).
        outer: Qualified name and line of the outermost function; None where the code runs at import.
        names: For code that runs at import: names by which other code reaches it.
        step: Number of the node in the walk.
        variant: Number of the change at that node.
    """

    path: str
    function: str
    operator: str
    occurrence: int
    what: str
    lines: tuple[int, int]
    outer: tuple[str, int] | None
    names: tuple[str, ...]
    step: int
    variant: int

    @property
    def id(self) -> str:
        """Return the stable id."""
        return f"{self.path}:{self.function}:{self.operator}:{self.occurrence}"


@dataclass(frozen=True, slots=True)
class _Around:
    # Where the walk is.
    names: tuple[str, ...] = ()
    outer: tuple[str, int] | None = None
    lines: tuple[int, int] = (0, 0)
    reached: tuple[str, ...] = ()
    condition: str = ""


def mutants(path: str, text: str) -> list[Mutant]:
    """Return all faults of a module.

    Args:
        path: File, relative to the package's folder.
        text: Its source.
    """
    found = []
    count: Counter[tuple[str, str]] = Counter()
    for step, (node, around, _) in enumerate(_walk(ast.parse(text))):
        for variant, (operator, new) in enumerate(_changes(node, around)):
            function = ".".join(around.names) or "module"
            count[function, operator] += 1
            what = f"{_short(node)} -> {_short(new)}"
            number = count[function, operator]
            found.append(
                Mutant(
                    path, function, operator, number, what, around.lines, around.outer, around.reached, step, variant
                )
            )
    return found


def mutated(text: str, mutant: Mutant) -> ast.Module:
    """Return the module with the fault in it."""
    tree = ast.parse(text)
    for step, (node, around, (parent, field, at)) in enumerate(_walk(tree)):
        if step == mutant.step:
            new = list(_changes(node, around))[mutant.variant][1]
            if at is None:
                setattr(parent, field, new)
            else:
                getattr(parent, field)[at] = new
            return ast.fix_missing_locations(tree)
    raise ValueError(f"{mutant.id}: the module has no such place")


def _walk(tree: ast.Module) -> Iterator[tuple[ast.AST, _Around, Place]]:
    def visit(node: ast.AST, around: _Around, place: Place) -> Iterator[tuple[ast.AST, _Around, Place]]:
        if _left_alone(node):
            return
        around = _inside(node, around)
        yield node, around, place
        for field, value in ast.iter_fields(node):
            for at, child in enumerate(value) if isinstance(value, list) else ((None, value),):
                if isinstance(child, ast.AST) and field not in _NOT_CODE:
                    yield from visit(child, _for_field(node, field, around), (node, field, at))

    for at, statement in enumerate(tree.body):
        yield from visit(statement, _Around(), (tree, "body", at))


def _left_alone(node: ast.AST) -> bool:
    match node:
        case ast.Raise() | ast.Assert() | ast.Import() | ast.ImportFrom() | ast.JoinedStr() | ast.expr_context():
            return True
        case ast.Expr(value=ast.Constant()) | ast.keyword(arg="strict") | ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.FunctionDef(name=name):
            return name in _SILENT
        case ast.Assign(targets=[ast.Name(id="__all__" | "__slots__")]):
            return True
    return False


def _inside(node: ast.AST, around: _Around) -> _Around:
    # What the walk knows once it has entered a node.
    if isinstance(node, ast.stmt):
        body: list[ast.stmt] = getattr(node, "body", [])
        last = max(node.lineno, body[0].lineno - 1) if body else node.end_lineno or node.lineno
        around = replace(around, lines=(node.lineno, last), condition="")
    if around.outer is None and isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = tuple(n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name))
        around = replace(around, reached=(*around.names, *names))
    return around


def _for_field(node: ast.AST, field: str, around: _Around) -> _Around:
    # Bodies of functions and classes have names of their own; the tests of branches are conditions.
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        names = (*around.names, node.name)
        if isinstance(node, ast.ClassDef) or field != "body":
            return replace(around, names=names, reached=names)
        first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
        return replace(around, names=names, outer=around.outer or (".".join(names), first))
    if field in ("test", "ifs") and isinstance(node, ast.If | ast.While | ast.IfExp | ast.comprehension):
        return replace(around, condition="while" if isinstance(node, ast.While) else "if")
    return replace(around, condition="") if around.condition else around


def _changes(node: ast.AST, around: _Around) -> Iterator[tuple[str, ast.AST]]:
    if around.condition and isinstance(node, ast.expr) and not isinstance(node, ast.Constant):
        for value in (False,) if around.condition == "while" else (True, False):
            yield "condition", ast.copy_location(ast.Constant(value), node)
    match node:
        case ast.Compare(ops=ops):
            for at, op in enumerate(ops):
                yield "compare", _with(node, ops=[*ops[:at], _SWAPPED[type(op)](), *ops[at + 1 :]])
        case ast.BinOp(op=op) | ast.AugAssign(op=op):
            if type(op) in _SWAPPED and not _of_text(node):
                yield "arithmetic", _with(node, op=_SWAPPED[type(op)]())
        case ast.BoolOp(op=op):
            yield "and-or", _with(node, op=_SWAPPED[type(op)]())
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield "not", operand
        case ast.Constant(value=bool(flag)):
            yield "constant", _with(node, value=not flag)
        case ast.Constant(value=int(number)):
            for new in (number + 1, number - 1, *((number * 2,) if number > 1 else ())):
                yield "constant", _with(node, value=new)
        case ast.Constant(value=float(share)):
            yield "constant", _with(node, value=share * 2)
            yield "constant", _with(node, value=share / 2)
        case ast.Return(value=ast.expr() as result):
            if not (isinstance(result, ast.Constant) and result.value is None):
                yield "return", _with(node, value=ast.Constant(None))
        case (
            ast.Tuple(elts=elements, ctx=ast.Load()) | ast.Set(elts=elements) | ast.List(elts=elements, ctx=ast.Load())
        ):
            if len(elements) > 1 and all(isinstance(e, ast.Constant) for e in elements):
                for at in range(len(elements)):
                    yield "drop", _with(node, elts=elements[:at] + elements[at + 1 :])


def _of_text(node: ast.AST) -> bool:
    # Joining texts and types is no arithmetic.
    sides = (getattr(node, "left", None), getattr(node, "right", None), getattr(node, "value", None))
    return any(
        isinstance(s, ast.JoinedStr) or (isinstance(s, ast.Constant) and isinstance(s.value, str | None)) for s in sides
    )


def _with(node: ast.AST, **fields: object) -> ast.AST:
    other = copy.deepcopy(node)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


def _short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 90 else f"{text[:60]} ... {text[-25:]}"
