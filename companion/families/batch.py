"""An immutable value with a batch: parameters that are stored once, and an array of members to index."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from companion import checks

#: Rows of the table that a notebook shows.
_ROWS = 10


def _shown(parameter):
    """Every digit of up to 24 numbers, so that the repr of a member evaluates to it; a description of larger arrays."""
    return (
        repr(parameter.tolist())
        if isinstance(parameter, (np.ndarray, np.generic)) and parameter.size <= 24
        else checks.describe(parameter)
    )


def _identity(parameter):
    """A hashable form of a parameter, the same for equal ones (0.0 and −0.0 are equal)."""
    if isinstance(parameter, Batch):
        return parameter
    array = np.asarray(parameter, dtype=float) + 0.0
    return array.shape, array.tobytes()


def _restored(cls, state):
    """What `Batch.__reduce__` makes of the parts that it took: arrays are locked again."""
    new = cls.__new__(cls)
    new._store(**state)
    return new


class Batch:
    """An immutable object with parameters that broadcast; ``batch_shape`` is the shape of the batch.

    It behaves as an array of its members: ``len(d)``, ``d[0]``, ``d[1:3]``, ``for member in d``. A parameter of a
    single member is a plain number. Equal objects have equal hashes; copies and pickles are immutable.
    """

    #: The parameters of the class, in the order of its constructor.
    parameter_names: ClassVar[tuple[str, ...]] = ()
    #: Class methods that make a member of other parameters, with the names of these: {"from_logits": ("logits",)}.
    other_forms: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    batch_shape: tuple[int, ...]
    #: The one of `other_forms` that made this member; empty for the class itself.
    _made_by: str

    if TYPE_CHECKING:  # the parameters, which `_store` sets

        def __getattr__(self, name: str) -> Any: ...

    # --- an immutable value -------------------------------------------------------------------------------------------
    def _store(self, batch_shape: tuple[int, ...] = (), _made_by: str = "", **values: Any) -> None:
        """Set attributes: arrays are copied and locked, single numbers kept as such."""
        for name, value in values.items():
            if isinstance(value, np.ndarray):
                value = value.copy()[()]
                if value.ndim:
                    value.flags.writeable = False
            object.__setattr__(self, name, value)
        object.__setattr__(self, "batch_shape", tuple(batch_shape))
        object.__setattr__(self, "_made_by", _made_by)

    @property
    def made_of(self) -> tuple[str, ...]:
        """Names of the parameters of which this very member was made: ``("logits",)`` after ``from_logits``, otherwise
        the ``parameter_names`` of its class."""
        return self.other_forms[self._made_by] if self._made_by else self.parameter_names

    def parameter(self, name: str) -> Any:
        """The parameter called `name`, also where a method has this name (``mean``): one of ``parameter_names`` or of
        `made_of`.

        >>> from companion.families import Normal
        >>> Normal([0.0, 1.0], 2.0).parameter("mean").tolist()
        [0.0, 1.0]
        """
        if not isinstance(name, str) or name not in (*self.parameter_names, *self.made_of):
            expected = f"one of {', '.join(dict.fromkeys((*self.parameter_names, *self.made_of)))}"
            where, fix = f"{type(self).__name__}.parameter", "Pass the name of a parameter."
            checks.fail(where, "name", name, expected, fix, TypeError if not isinstance(name, str) else ValueError)
        value = vars(self)[name if name in vars(self) else f"_{name}"]
        return np.int64(value) if type(value) is int else value  # so that it has the methods of an array

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(
            f"{type(self).__name__}.{name} cannot be assigned: distributions are immutable. "
            f"Make a new one, e.g. {type(self).__name__}({', '.join(self.parameter_names)})."
        )

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be deleted: distributions are immutable.")

    def __reduce__(self):
        return _restored, (type(self), dict(vars(self)))

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={_shown(self.parameter(name))}" for name in self.made_of)
        return f"{type(self).__name__}{self._made_by and '.' + self._made_by}({inside})"

    def _repr_html_(self) -> str:
        """A small table for notebooks: a row for each of the first members, a column for each parameter."""
        title, names, rows, count = self._table()
        cells = [[str(i), *(_cell(v) for v in row)] for i, row in enumerate(rows)]
        if count > len(rows):
            cells.append(["…"] * (len(names) + 1))
        head, *body = (
            "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in row)
            for tag, row in [("th", ["", *names]), *(("td", row) for row in cells)]
        )
        return (
            f"<table><caption>{title}</caption><thead><tr>{head}</tr></thead>"
            f"<tbody>{''.join(f'<tr>{row}</tr>' for row in body)}</tbody></table>"
        )

    def _table(self) -> tuple[str, list[str], list[list[Any]], int]:
        """Title, names, first rows and number of rows of the table."""
        count = int(np.prod(self.batch_shape, dtype=int))
        parameters = [np.asarray(self.parameter(name)) for name in self.made_of]
        flat = [v.reshape(count, *v.shape[len(self.batch_shape) :]) for v in parameters]
        rows = [[v[i] for v in flat] for i in range(min(count, _ROWS))]
        title = type(self).__name__ if count == 1 else f"{count} {type(self).__name__} distributions"
        return title, list(self.made_of), rows, count

    def __eq__(self, other: object) -> bool:
        """Whether both were made from the same numbers (0.5 and log-odds 0 are one distribution, but not equal)."""
        return isinstance(other, Batch) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple:
        return type(self), self.made_of, *(_identity(self.parameter(name)) for name in self.made_of)

    # --- a batch is an array of distributions -------------------------------------------------------------------------
    def __len__(self) -> int:
        """Length of the first axis of the batch."""
        self._require_batch("len")
        return self.batch_shape[0]

    def __bool__(self) -> bool:
        """True, for a single distribution too, which has no length."""
        return True

    def __iter__(self) -> Iterator[Self]:
        """The members of a batch of shape (K,), one after another; along the first axis of a larger one."""
        self._require_batch("iteration")
        return (self[k] for k in range(len(self)))

    def __getitem__(self, key: Any) -> Self:
        """Members of a batch, indexed as the array of shape ``batch_shape`` that it stands for."""
        self._require_batch("an index")
        count = int(np.prod(self.batch_shape))
        try:
            index = np.arange(count).reshape(self.batch_shape)[key]
        except (IndexError, TypeError, ValueError) as error:
            self._bad_index(IndexError, key, str(error))
        if np.size(index) == 0:
            self._bad_index(IndexError, key, "It selects nothing")
        flat = ((v := self.parameter(name)).reshape(count, *v.shape[len(self.batch_shape) :]) for name in self.made_of)
        return self._make(*(v[index] for v in flat))

    def _require_batch(self, what):
        if not self.batch_shape:
            raise TypeError(
                f"{type(self).__name__}: shape of the batch = (); expected a batch for {what}. "
                "This is a single distribution."
            )

    def _bad_index(self, error, key, why):
        expected = f"one into a batch of shape {self.batch_shape}"
        checks.fail(type(self).__name__, "index", key, expected, f"{why}.", error)

    def _make(self, *parameters):
        """A distribution of the same kind with other parameters."""
        make = getattr(type(self), self._made_by) if self._made_by else type(self)
        return make(*parameters)

    def _member(self, index: tuple[int, ...]) -> Self:
        """The single distribution at `index` of a batch that `batch_shape` broadcasts to."""
        if self.batch_shape == ():
            return self
        index = index[len(index) - len(self.batch_shape) :]
        index = tuple(i if size > 1 else 0 for i, size in zip(index, self.batch_shape))
        return self._make(*(self.parameter(name)[index] for name in self.made_of))


def _cell(value):
    """A parameter in a table, to six digits."""
    if isinstance(value, Batch):
        return repr(value)
    shown = np.array2string(np.asarray(value), precision=6, threshold=12, separator=", ")
    return shown if np.ndim(value) else f"{float(value):.6g}"
