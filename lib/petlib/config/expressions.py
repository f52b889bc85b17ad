"""Expressions of Python configs: ordinary ones are evaluated within bounds, and nothing is executed.

There are no attributes, no methods and no functions but :data:`FUNCTIONS`, and no value can be changed, so an expression can only make
data. What it makes is bounded before it is made: steps, characters, digits, values and levels.
"""

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from petlib.config.budget import Budget, TooMuchError
from petlib.config.limits import problem_of, shown
from petlib.errors import ConfigError
from petlib.suggest import did_you_mean

BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Not: operator.not_}
COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda item, values: item in values,
    ast.NotIn: lambda item, values: item not in values,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "int": int,
    "float": float,
    "str": str,
    "bool": bool,
    "abs": abs,
    "round": round,
    "len": len,
    "sum": sum,
    "min": min,
    "max": max,
    "sorted": sorted,
    "list": list,
    "tuple": tuple,
    "dict": dict,
    "range": lambda *bounds: list(range(*bounds)),
    "zip": lambda *lists: list(zip(*lists, strict=False)),
    "enumerate": lambda values, start=0: list(enumerate(values, start)),
}
CONVERSIONS: dict[int, Callable[[Any], Any]] = {-1: lambda value: value, ord("r"): repr, ord("s"): str, ord("a"): ascii}
"""``{value!r}`` and the like, by the number of the letter."""

OF_SINGLE_VALUES = ("int", "float", "str", "bool", "abs", "round")
ALLOWED = f"literals, names from above, arithmetic, indexing, f-strings, comprehensions, {', '.join(FUNCTIONS)}"
Comprehension = ast.ListComp | ast.GeneratorExp | ast.DictComp


class Evaluator:
    """Evaluates the expressions of one file, in their order.

    Args:
        path: the file, for messages.

    Attributes:
        variables: what names mean; the caller adds what it assigns.
        lines: line number of each dotted key; positions in lists are in brackets.
        referred: names that an expression referred to.
    """

    def __init__(self, path: Path) -> None:
        self.variables: dict[str, Any] = {}
        self.lines: dict[str, int] = {}
        self.referred: set[str] = set()
        self._path = path
        self._scope: dict[str, Any] = {}
        self._budget = Budget()
        self._kinds: dict[type[ast.expr], Callable[[Any, str], Any]] = {
            ast.Constant: self._constant,
            ast.Name: self._named,
            ast.List: self._list,
            ast.Tuple: self._tuple,
            ast.Dict: self._mapping,
            ast.Call: self._called,
            ast.JoinedStr: self._text,
            ast.Subscript: self._part,
            ast.UnaryOp: self._unary,
            ast.BinOp: self._binary,
            ast.BoolOp: self._connected,
            ast.Compare: self._compared,
            ast.IfExp: self._chosen,
            **dict.fromkeys((ast.ListComp, ast.GeneratorExp, ast.DictComp), self._comprehension),
        }

    def value(self, node: ast.expr, key: str) -> Any:
        """Return what an expression means.

        Args:
            node: the expression.
            key: dotted key that it is given for, for messages.

        Raises:
            ConfigError: it is more than data, wrong, or makes too much.
        """
        self.lines[key] = node.lineno
        try:
            self._budget.spend(1)
            evaluate = self._kinds.get(type(node))
            return self._other(node, key) if evaluate is None else self._made(evaluate(node, key), node, key)
        except ConfigError:
            raise
        except TooMuchError as error:
            raise self.refuse(node, f"{key}: {_shown(node)}: {error}") from error
        except (TypeError, ValueError, ArithmeticError, LookupError) as error:
            raise self.refuse(node, f"{key}: {_shown(node)} cannot be computed: {error}") from error

    def refuse(self, node: ast.stmt | ast.expr, reason: str) -> ConfigError:
        """Return the mistake that a statement or an expression is."""
        return ConfigError(f"{self._place(node)}: {reason}")

    def _constant(self, node: ast.Constant, key: str) -> Any:
        return node.value

    def _list(self, node: ast.List, key: str) -> list[Any]:
        return self._items(node.elts, key)

    def _tuple(self, node: ast.Tuple, key: str) -> tuple[Any, ...]:
        return tuple(self._items(node.elts, key))

    def _other(self, node: ast.expr, key: str) -> Any:
        raise self.refuse(node, f"{key}: {_shown(node)} is not plain data; a config is read, not executed, and may hold {ALLOWED}")

    def _unary(self, node: ast.UnaryOp, key: str) -> Any:
        return UNARY[type(node.op)](self.value(node.operand, key)) if type(node.op) in UNARY else self._other(node, key)

    def _binary(self, node: ast.BinOp, key: str) -> Any:
        if type(node.op) not in BINARY:
            return self._other(node, key)
        left, right = self.value(node.left, key), self.value(node.right, key)
        self._budget.operate(node.op, left, right)
        return BINARY[type(node.op)](left, right)

    def _chosen(self, node: ast.IfExp, key: str) -> Any:
        return self.value(node.body if self.value(node.test, key) else node.orelse, key)

    def _named(self, node: ast.Name, key: str) -> Any:
        if node.id in self._scope:
            return self._scope[node.id]
        if node.id not in self.variables:
            hint = did_you_mean(node.id, [*self._scope, *self.variables])
            raise self.refuse(node, f"{key}: {node.id!r} is not plain data: no line above gives it a value{hint}")
        self.referred.add(node.id)
        return self.variables[node.id]

    def _items(self, nodes: Sequence[ast.expr], key: str) -> list[Any]:
        items: list[Any] = []
        for node in nodes:
            if isinstance(node, ast.Starred):
                items.extend(self._iterated(node.value, f"{key}[{len(items)}]"))
            else:
                items.append(self.value(node, f"{key}[{len(items)}]"))
        return items

    def _iterated(self, node: ast.expr, key: str) -> Any:
        values = self.value(node, key)
        if not isinstance(values, list | tuple | dict | str):
            raise self.refuse(node, f"{key}: {_shown(node)} is {shown(values)}; a list expected")
        self._budget.spend(len(values))
        return values

    def _mapping(self, node: ast.Dict, key: str) -> dict[Any, Any]:
        values: dict[Any, Any] = {}
        literals: set[Any] = set()
        for key_node, value_node in zip(node.keys, node.values, strict=True):
            if key_node is None:
                values |= self._unpacked(value_node, key)
                continue
            name = self.value(key_node, key)
            if name in literals:
                raise self.refuse(key_node, f"{key}: {shown(name)} is given twice; keep one")
            literals.add(name)
            values[name] = self.value(value_node, f"{key}.{name!s}")
        return values

    def _unpacked(self, node: ast.expr, key: str) -> dict[Any, Any]:
        values = self.value(node, key)
        if not isinstance(values, dict):
            raise self.refuse(node, f"{key}: **{_shown(node)} is {shown(values)}; a mapping expected")
        self._budget.spend(len(values))
        return values

    def _called(self, node: ast.Call, key: str) -> Any:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name not in FUNCTIONS:
            return self._other(node, key)
        arguments = self._items(node.args, key)
        words: dict[str, Any] = {}
        for word in node.keywords:
            added = self._unpacked(word.value, key) if word.arg is None else {word.arg: self.value(word.value, f"{key}.{word.arg}")}
            if twice := sorted(map(str, words.keys() & added.keys())):
                raise self.refuse(node, f"{key}: {twice[0]} is given twice; keep one")
            words |= added
        self._budget.spend(sum(self._budget.extent(argument, self._place(node)).values for argument in arguments))
        if name in OF_SINGLE_VALUES and any(isinstance(argument, list | tuple | dict) for argument in arguments):
            raise self.refuse(node, f"{key}: {_shown(node)}: {name} takes a single value here")
        if name == "sum" and not all(isinstance(item, int | float) for item in [*arguments[0], *arguments[1:], *words.values()]):
            raise self.refuse(node, f"{key}: {_shown(node)}: sum is for numbers; join lists with +")
        if name == "range":
            self._budget.spend(len(range(*arguments)))
        return FUNCTIONS[name](*arguments, **words)

    def _text(self, node: ast.JoinedStr, key: str) -> str:
        parts: list[str] = []
        for part in node.values:
            match part:
                case ast.FormattedValue():
                    parts.append(self._formatted(part, key))
                case _:
                    parts.append(self.value(part, key))
        self._budget.write(sum(map(len, parts)))
        return "".join(parts)

    def _formatted(self, part: ast.FormattedValue, key: str) -> str:
        value = self.value(part.value, key)
        if isinstance(value, list | tuple | dict):
            raise self.refuse(part, f"{key}: {{{_shown(part.value)}}} in a text is {shown(value)}; a text or a number expected")
        layout = "" if part.format_spec is None else self.value(part.format_spec, key)
        self._budget.lay_out(layout)
        self._budget.write(len(value) if isinstance(value, str) else 0)
        return format(CONVERSIONS[part.conversion](value), layout)

    def _part(self, node: ast.Subscript, key: str) -> Any:
        whole = self.value(node.value, key)
        if not isinstance(node.slice, ast.Slice):
            place = self.value(node.slice, key)
            if isinstance(whole, dict) and place not in whole:
                hint = did_you_mean(str(place), map(str, whole)) or f"; there is {', '.join(map(str, whole)) or 'nothing'}"
                raise self.refuse(node, f"{key}: there is no {shown(place)} in {_shown(node.value)}{hint}")
            return whole[place]
        bounds = [None if bound is None else self.value(bound, key) for bound in (node.slice.lower, node.slice.upper, node.slice.step)]
        self._budget.spend(len(whole))
        return whole[slice(*bounds)]

    def _comprehension(self, node: Comprehension, key: str) -> Any:
        before = self._scope
        items: list[Any] = []
        pairs: list[tuple[Any, Any]] = []

        def make() -> None:
            if isinstance(node, ast.DictComp):
                pairs.append((self.value(node.key, key), self.value(node.value, f"{key}.{len(pairs)}")))
            else:
                items.append(self.value(node.elt, f"{key}[{len(items)}]"))

        self._scope = dict(before)
        self._loop(node.generators, make, key)
        self._scope = before
        return dict(pairs) if isinstance(node, ast.DictComp) else items

    def _loop(self, loops: Sequence[ast.comprehension], make: Callable[[], None], key: str) -> None:
        if not loops:
            make()
            return
        for item in self._iterated(loops[0].iter, key):
            self._scope |= self.bound_names(loops[0].target, item, key)
            if all(self.value(test, key) for test in loops[0].ifs):
                self._loop(loops[1:], make, key)

    def bound_names(self, target: ast.expr, value: Any, key: str) -> Mapping[str, Any]:
        """Return the names of a target, ``a`` or ``a, b``, and the parts of a value that they get."""
        match target:
            case ast.Name():
                return {target.id: value}
            case ast.Tuple() | ast.List() if all(isinstance(part, ast.Name) for part in target.elts):
                names = [part.id for part in target.elts if isinstance(part, ast.Name)]
                if isinstance(value, list | tuple) and len(value) == len(names):
                    return dict(zip(names, value, strict=True))
                raise self.refuse(target, f"{key}: {shown(value)} given, {len(names)} values expected")
            case ast.Subscript() | ast.Attribute():
                raise self.refuse(target, f"{key}: a value cannot be changed later; write the entry where the value is made")
        raise self.refuse(target, f"{key}: only assignments of data to names are allowed: a config is read, not executed")

    def _connected(self, node: ast.BoolOp, key: str) -> Any:
        stops_at = isinstance(node.op, ast.Or)
        for part in node.values:
            value = self.value(part, key)
            if bool(value) == stops_at:
                break
        return value

    def _compared(self, node: ast.Compare, key: str) -> bool:
        left = self.value(node.left, key)
        for comparison, part in zip(node.ops, node.comparators, strict=True):
            right = self.value(part, key)
            self._budget.spend(self._budget.extent(left, self._place(node)).values + self._budget.extent(right, self._place(node)).values)
            if not COMPARISONS[type(comparison)](left, right):
                return False
            left = right
        return True

    def _made(self, value: Any, node: ast.expr, key: str) -> Any:
        if isinstance(value, list | tuple | dict):
            self._budget.extent(value, self._place(node))
            if isinstance(value, dict) and any(isinstance(name, tuple) for name in value):
                raise self.refuse(node, f"{key}: a list is the name of an entry; a text or a number expected")
        elif problem := problem_of(value):
            raise self.refuse(node, f"{key}: {problem}")
        return value

    def _place(self, node: ast.stmt | ast.expr) -> str:
        return f"{self._path}:{node.lineno}"


def _shown(node: ast.expr) -> str:
    return repr(ast.unparse(node)[:60])
