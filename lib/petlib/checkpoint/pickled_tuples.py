"""How deep tuples lie in each other in a pickle, without loading it."""

import pickletools
from typing import Any

_MARK = -1
_ITEMS = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def deepest_tuple(pickled: bytes) -> int:
    """Return the most levels of tuples in each other in the first pickles of some bytes; what is no pickle ends the count.

    It does what an unpickler does, with the depth of each value in its place; all that is no tuple has none.
    """
    deepest = 0
    rest = pickled
    try:
        while rest:
            machine = _Depths()
            end = 0
            for opcode, argument, position in pickletools.genops(rest):
                machine.do(opcode, argument)
                end = (position or 0) + 1
                deepest = max(deepest, machine.deepest)
            rest = rest[end:]
    except (ValueError, IndexError):
        # a damaged pickle is damaged for the unpickler too, at the same place
        return max(deepest, machine.deepest)
    return deepest


class _Depths:
    """The stack of an unpickler."""

    def __init__(self) -> None:
        self._stack: list[int] = []
        self._memo: dict[Any, int] = {}
        self.deepest = 0

    def do(self, opcode: pickletools.OpcodeInfo, argument: Any) -> None:
        name = opcode.name
        if name == "MARK":
            self._stack.append(_MARK)
        elif name == "TUPLE":
            self._push_tuple(self._pop_to_mark())
        elif name in _ITEMS:
            self._push_tuple([self._stack.pop() for _ in range(_ITEMS[name])])
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self._stack.append(self._memo.get(int(argument), 0))
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self._memo[int(argument)] = self._stack[-1]
        elif name == "MEMOIZE":
            self._memo[len(self._memo)] = self._stack[-1]
        elif name == "DUP":
            self._stack.append(self._stack[-1])
        else:
            self._do_other(opcode)

    def _do_other(self, opcode: pickletools.OpcodeInfo) -> None:
        before = opcode.stack_before
        if pickletools.markobject in before:
            self._pop_to_mark()
            before = before[: before.index(pickletools.markobject)]
        for _ in before:
            self._stack.pop()
        self._stack.extend(0 for _ in opcode.stack_after)

    def _push_tuple(self, items: list[int]) -> None:
        depth = 1 + max(items, default=0)
        self._stack.append(depth)
        self.deepest = max(self.deepest, depth)

    def _pop_to_mark(self) -> list[int]:
        items = []
        while (depth := self._stack.pop()) != _MARK:
            items.append(depth)
        return items
