"""mutmut leaves decorated functions out, among them all that handle a password: decorators are applied below them."""

import runpy

from tests.mutation.decorators import applied_below

MODULE = """from functools import cache, cached_property


@cache
def twice(number):
    return 2 * number


class Pair:
    @cached_property
    def sum(self):
        return sum(self.both)

    @classmethod
    def of(cls, *both):
        pair = cls()
        pair.both = both
        return pair

    @property
    def first(self):
        return self.both[0]

    @first.setter
    def first(self, value):
        self.both = (value, *self.both[1:])
"""


def test_a_decorator_is_applied_below_its_function_and_does_what_it_did(tmp_path):
    changed = applied_below(MODULE)

    assert "@cache" not in changed
    assert "twice = cache(twice)\n" in changed
    assert "    sum = cached_property(sum)\n" in changed
    assert "    @classmethod\n    def of(" in changed
    module = tmp_path / "module.py"
    module.write_text(changed)
    made = runpy.run_path(str(module))
    pair = made["Pair"].of(1, 2)
    pair.first = 3
    assert (made["twice"](4), made["twice"].cache_info().currsize, pair.sum, pair.first) == (8, 1, 5, 3)
