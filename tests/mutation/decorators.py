"""Lets a module apply its decorators below its functions, because mutmut leaves decorated functions out."""

import ast
from itertools import chain

KNOWN = {"classmethod", "staticmethod"}  # which mutmut mutates as they are, and `overload` has no body
LEFT = {"overload"}


def applied_below(source: str) -> str:
    """Return the same module with `f = decorator(f)` below each function and method that had a decorator above it.

    A setter is left as it is: it is another function of the same name.
    """
    lines = source.splitlines()
    tree = ast.parse(source)
    bodies = chain([tree.body], (node.body for node in tree.body if isinstance(node, ast.ClassDef)))
    functions = [node for body in bodies for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    for function in sorted(functions, key=lambda node: node.lineno, reverse=True):
        names = [ast.unparse(decorator) for decorator in function.decorator_list]
        if not names or {*names} & LEFT or (len(names) == 1 and names[0] in KNOWN):
            continue
        if any(name.endswith((".setter", ".deleter", ".register")) for name in names):
            continue
        indent = " " * function.col_offset
        call = function.name
        for name in reversed(names):
            call = f"{name}({call})"
        assert function.end_lineno
        lines.insert(function.end_lineno, f"{indent}{function.name} = {call}")
        first = function.decorator_list[0].lineno - 1
        lines[first : function.lineno - 1] = []
    return "\n".join(lines) + "\n"
