# SPDX-License-Identifier: Apache-2.0
"""The expressions of `.=` keys: Python's grammar, of which only what Globus documents or uses in its own examples is let through.

    Expression("input.source.path.rstrip('/')").evaluate(state)

What is likely to work but shown nowhere (INFERRED_…) is let through only with inferred=True, so that
a definition that runs here rests on what is known.
"""

import ast
import operator

from . import paths

MAX_STRING = 100_000
MAX_ITEMS = 10_000

FUNCTIONS = {"pathsplit", "is_present", "getattr", "len", "str"}
INFERRED_FUNCTIONS = {"int", "float"}
METHODS = {"rstrip", "rpartition", "split", "endswith"}
INFERRED_METHODS = {"startswith", "replace", "join"}

_BINARY = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
           ast.Div: operator.truediv, ast.Mod: operator.mod}
_UNARY = {ast.Not: operator.not_, ast.USub: operator.neg}
_COMPARE = {ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
            ast.Gt: operator.gt, ast.GtE: operator.ge,
            ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b}


class ExpressionError(Exception):
    """It can't be parsed, uses what is not known to exist, or failed on this state."""


def pathsplit(path):
    """[parent, last]; a trailing slash leaves an empty last part, and /~/ is never split."""
    if not isinstance(path, str):
        raise ExpressionError("pathsplit() takes a string")
    if path == "/~/":
        return [path, ""]
    head, slash, last = path.rpartition("/")
    if head == "/~":
        return ["/~/", last]
    return [head or slash, last]


def _out_of_backticks(text):
    """`$.a.b` becomes a name; returns the text and what the names stand for."""
    out, stands_for, quote, i = [], {}, None, 0
    while i < len(text):
        c = text[i]
        if quote:
            if c == "\\":
                out.append(text[i:i + 2])
                i += 2
                continue
            quote = None if c == quote else quote
        elif c in "'\"":
            quote = c
        elif c == "`":
            end = text.find("`", i + 1)
            path = text[i + 1:end] if end > 0 else ""
            if not paths.is_path(path):
                raise ExpressionError(f"no path between backticks in: {text}")
            name = f"path_in_backticks_{len(stands_for)}"
            stands_for[name] = path
            out.append(name)
            i = end + 1
            continue
        out.append(c)
        i += 1
    return "".join(out), stands_for


class Expression:
    """Parsed, and checked to use nothing unknown; may be evaluated on many states."""

    def __init__(self, text, inferred=False):
        if not isinstance(text, str) or not text.strip():
            raise ExpressionError("an expression is a string that is not empty")
        self.text = text
        self.inferred = inferred
        python, self.stands_for = _out_of_backticks(text)
        try:
            self.tree = ast.parse(python.strip(), mode="eval").body
        except (SyntaxError, ValueError) as error:
            raise ExpressionError(f"{error}: {text}") from error
        self._check(self.tree)

    # ---- what may be in it ----

    def _refuse(self, what):
        raise ExpressionError(f"{what} in: {self.text}")

    def _check(self, node):
        check = getattr(self, f"_check_{type(node).__name__.lower()}", None)
        if check is None:
            self._refuse(f"{type(node).__name__} is not known to work")
        check(node)

    def _check_constant(self, node):
        if not isinstance(node.value, (str, int, float)):
            self._refuse(f"the constant {node.value!r}")

    def _check_name(self, node):
        pass

    def _check_attribute(self, node):
        if node.attr.startswith("_"):
            self._refuse(f"the member {node.attr}")
        self._check(node.value)

    def _check_subscript(self, node):
        self._check(node.value)
        if isinstance(node.slice, ast.Slice):
            if node.slice.step:
                self._refuse("a slice with a step")
            for part in (node.slice.lower, node.slice.upper):
                if part is not None:
                    self._check(part)
        else:
            self._check(node.slice)

    def _check_binop(self, node):
        if type(node.op) not in _BINARY:
            self._refuse(f"the operator {type(node.op).__name__}")
        self._check(node.left)
        self._check(node.right)

    def _check_unaryop(self, node):
        if type(node.op) not in _UNARY:
            self._refuse(f"the operator {type(node.op).__name__}")
        self._check(node.operand)

    def _check_boolop(self, node):
        for value in node.values:
            self._check(value)

    def _check_compare(self, node):
        for op in node.ops:
            if type(op) not in _COMPARE:
                self._refuse(f"the operator {type(op).__name__}")
        for part in [node.left, *node.comparators]:
            self._check(part)

    def _check_ifexp(self, node):
        for part in (node.test, node.body, node.orelse):
            self._check(part)

    def _check_list(self, node):
        for item in node.elts:
            self._check(item)

    def _check_dict(self, node):
        for part in [*node.keys, *node.values]:
            if part is None:
                self._refuse("**")
            self._check(part)

    def _check_listcomp(self, node):
        if len(node.generators) != 1 or not isinstance(node.generators[0].target, ast.Name):
            self._refuse("a comprehension of more than one variable")
        generator, = node.generators
        if generator.ifs and not self.inferred:
            self._refuse("an if within a comprehension, which is shown nowhere,")
        for part in [node.elt, generator.iter, *generator.ifs]:
            self._check(part)

    def _check_call(self, node):
        if node.keywords:
            self._refuse("a named argument")
        if isinstance(node.func, ast.Name):
            known = FUNCTIONS | (INFERRED_FUNCTIONS if self.inferred else set())
            name = node.func.id
        elif isinstance(node.func, ast.Attribute):
            known = METHODS | (INFERRED_METHODS if self.inferred else set())
            name = node.func.attr
            self._check(node.func.value)
        else:
            self._refuse("a call of something without a name")
        if name not in known:
            self._refuse(f"the function {name}()")
        if name in ("is_present", "getattr"):
            self._check_present(name, node.args)
        for part in node.args:
            self._check(part)

    def _check_present(self, name, args):
        wanted = 1 if name == "is_present" else 2
        if len(args) != wanted or not (isinstance(args[0], ast.Constant)
                                       and isinstance(args[0].value, str)
                                       and paths.is_path("$." + args[0].value)):
            self._refuse(f"{name}() takes a dotted path in quotes"
                         + (", and a default" if wanted == 2 else "") + ":")

    # ---- what it is worth ----

    def evaluate(self, state):
        try:
            return self._value(self.tree, state, {})
        except ExpressionError:
            raise
        except (TypeError, ValueError, IndexError, KeyError, ZeroDivisionError) as error:
            raise ExpressionError(f"{error}: {self.text}") from error

    def _value(self, node, state, names):
        value = getattr(self, f"_value_{type(node).__name__.lower()}")(node, state, names)
        if isinstance(value, str) and len(value) > MAX_STRING:
            self._refuse("a string of more than 100,000 characters")
        return value

    def _value_constant(self, node, _state, _names):
        return node.value

    def _value_name(self, node, state, names):
        if node.id in names:
            return names[node.id]
        if node.id in self.stands_for:
            return self._at(state, self.stands_for[node.id])
        if node.id not in state:
            self._refuse(f"there is no {node.id}")
        return state[node.id]

    def _at(self, state, path):
        try:
            return paths.get(state, path)
        except paths.PathError as error:
            raise ExpressionError(f"{error}: {self.text}") from error

    def _value_attribute(self, node, state, names):
        value = self._value(node.value, state, names)
        if not isinstance(value, dict) or node.attr not in value:
            self._refuse(f"there is no {ast.unparse(node)}")
        return value[node.attr]

    def _value_subscript(self, node, state, names):
        value = self._value(node.value, state, names)
        if isinstance(node.slice, ast.Slice):
            lower, upper = (part and self._value(part, state, names)
                            for part in (node.slice.lower, node.slice.upper))
            return value[lower:upper]
        return value[self._value(node.slice, state, names)]

    def _value_binop(self, node, state, names):
        return _BINARY[type(node.op)](self._value(node.left, state, names),
                                      self._value(node.right, state, names))

    def _value_unaryop(self, node, state, names):
        return _UNARY[type(node.op)](self._value(node.operand, state, names))

    def _value_boolop(self, node, state, names):
        enough = isinstance(node.op, ast.Or)
        for part in node.values:
            value = self._value(part, state, names)
            if bool(value) is enough:
                break
        return value

    def _value_compare(self, node, state, names):
        left = self._value(node.left, state, names)
        for op, part in zip(node.ops, node.comparators):
            right = self._value(part, state, names)
            if not _COMPARE[type(op)](left, right):
                return False
            left = right
        return True

    def _value_ifexp(self, node, state, names):
        return self._value(node.body if self._value(node.test, state, names) else node.orelse,
                           state, names)

    def _value_list(self, node, state, names):
        return [self._value(item, state, names) for item in node.elts]

    def _value_dict(self, node, state, names):
        return {self._value(key, state, names): self._value(value, state, names)
                for key, value in zip(node.keys, node.values)}

    def _value_listcomp(self, node, state, names):
        generator, = node.generators
        out = []
        items = self._value(generator.iter, state, names)
        if len(items) > MAX_ITEMS:
            self._refuse("a comprehension over more than 10,000 items")
        for item in items:
            inner = {**names, generator.target.id: item}
            if all(self._value(test, state, inner) for test in generator.ifs):
                out.append(self._value(node.elt, state, inner))
        return out

    def _value_call(self, node, state, names):
        args = [self._value(part, state, names) for part in node.args]
        if isinstance(node.func, ast.Attribute):
            receiver = self._value(node.func.value, state, names)
            if not isinstance(receiver, str):
                self._refuse(f"{node.func.attr}() of what is no string")
            value = getattr(receiver, node.func.attr)(*args)
            return list(value) if isinstance(value, tuple) else value
        return self._function(node.func.id, args, state)

    def _function(self, name, args, state):
        if name == "is_present":
            return paths.has(state, "$." + args[0])
        if name == "getattr":
            return paths.get(state, "$." + args[0]) if paths.has(state, "$." + args[0]) else args[1]
        if name == "pathsplit":
            return pathsplit(*args)
        return {"len": len, "str": str, "int": int, "float": float}[name](*args)
