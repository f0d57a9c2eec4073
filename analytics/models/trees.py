"""Decision trees as plain arrays: what they say of a row, and what each column did on the way.

Down a tree the mean of the rows below changes from node to node; each change belongs to the column
that the node asked about (Saabas, 2014; Kuz'min et al., 2011). From the root's mean to the leaf's
the changes add up, so over all trees they add up to the forest's probability exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from analytics.models.errors import ModelUnusable

if TYPE_CHECKING:
    import numpy as np

PATHS_MAX: Final = 300_000
"""Rows by trees that are walked at a time."""
_LEAF: Final = -1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trees:
    """Trees one after the other; children are positions in the whole, parents come first."""

    roots: np.ndarray
    """Position of each tree's root, int32 (trees,)."""
    left: np.ndarray
    """Child where the column is at most the threshold, int32 (nodes,); -1 in a leaf."""
    right: np.ndarray
    """Child where it is above, int32 (nodes,)."""
    column: np.ndarray
    """Column that the node asks about, int32 (nodes,)."""
    threshold: np.ndarray
    """What it is compared with, float64 (nodes,); the row's value as float32, as scikit-learn has."""
    value: np.ndarray
    """Mean of the rows below, float64 (nodes, classes)."""

    @classmethod
    def of(cls, forest: Any) -> Self:
        """Return the trees of a trained forest of scikit-learn."""
        import numpy as np  # noqa: PLC0415

        trees = [each.tree_ for each in forest.estimators_]
        roots = np.cumsum([0, *(tree.node_count for tree in trees[:-1])])
        value = np.concatenate([tree.value[:, 0, :] for tree in trees])
        moved = [
            [np.where(child == _LEAF, _LEAF, child + root) for child in (left, right)]
            for left, right, root in (
                (tree.children_left, tree.children_right, root)
                for tree, root in zip(trees, roots, strict=True)
            )
        ]
        return cls(
            roots=roots.astype(np.int32),
            left=np.concatenate([left for left, _ in moved]).astype(np.int32),
            right=np.concatenate([right for _, right in moved]).astype(np.int32),
            column=np.concatenate([tree.feature for tree in trees]).astype(np.int32),
            threshold=np.concatenate([tree.threshold for tree in trees]).astype(np.float64),
            value=value / value.sum(axis=1, keepdims=True),
        )

    @property
    def baseline(self) -> np.ndarray:
        """What the trees say of no row: the mean of their roots, (classes,)."""
        import numpy as np  # noqa: PLC0415

        return np.asarray(self.value[self.roots].mean(axis=0))

    def probabilities(self, values: np.ndarray) -> np.ndarray:
        """Return the mean of the leaves of rows (rows, columns): (rows, classes)."""
        import numpy as np  # noqa: PLC0415

        found = np.empty((len(values), self.value.shape[1]))
        for first, rows in self._chunks(values):
            node = np.tile(self.roots, len(rows))
            row = np.repeat(np.arange(len(rows)), len(self.roots))
            going = np.flatnonzero(self.left[node] != _LEAF)
            while going.size:
                node[going] = self._next(rows, row[going], node[going])
                going = going[self.left[node[going]] != _LEAF]
            leaves = self.value[node].reshape(len(rows), len(self.roots), -1)
            found[first : first + len(rows)] = leaves.mean(axis=1)
        return found

    def contributions(self, values: np.ndarray) -> np.ndarray:
        """Return what each column did to each class's probability: (rows, columns, classes).

        Of two classes there is one, the second.
        """
        import numpy as np  # noqa: PLC0415

        columns, classes = values.shape[1], self.value.shape[1]
        told = range(classes) if classes > 2 else range(1, classes)
        found = np.zeros((len(values), columns, len(told)))
        for first, rows in self._chunks(values):
            node = np.tile(self.roots, len(rows))
            row = np.repeat(np.arange(len(rows)), len(self.roots))
            cells = found[first : first + len(rows)]
            while True:
                is_going = self.left[node] != _LEAF
                node, row = node[is_going], row[is_going]
                if not node.size:
                    break
                following = self._next(rows, row, node)
                place = row * columns + self.column[node]
                for position, each in enumerate(told):
                    change = self.value[following, each] - self.value[node, each]
                    sums = np.bincount(place, weights=change, minlength=len(rows) * columns)
                    cells[:, :, position] += sums.reshape(len(rows), columns)
                node = following
        return np.asarray(found / len(self.roots))

    def _next(self, values: np.ndarray, row: np.ndarray, node: np.ndarray) -> np.ndarray:
        import numpy as np  # noqa: PLC0415

        goes_left = values[row, self.column[node]] <= self.threshold[node]
        return np.asarray(np.where(goes_left, self.left[node], self.right[node]))

    def _chunks(self, values: np.ndarray) -> Any:
        import numpy as np  # noqa: PLC0415

        size = max(1, PATHS_MAX // len(self.roots))
        for first in range(0, len(values), size):
            yield first, values[first : first + size].astype(np.float32)

    def save(self, path: Path) -> None:
        """Write the arrays; the same trees give the same bytes."""
        import numpy as np  # noqa: PLC0415

        arrays = {name: getattr(self, name) for name in self.__slots__}
        np.savez_compressed(path, **arrays)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Return what `save` wrote, without pickle.

        Raises: ModelUnusable (``model_corrupt``) when it is no forest that a walk comes out of.
        """
        import numpy as np  # noqa: PLC0415

        with np.load(path, allow_pickle=False) as file:
            trees = cls(**{name: file[name] for name in cls.__slots__})
        nodes = np.arange(len(trees.left))
        is_leaf = trees.left == _LEAF
        for child in (trees.left, trees.right):
            if not (is_leaf | ((child > nodes) & (child < len(nodes)))).all():
                raise ModelUnusable("model_corrupt", f"{path}: nodes out of order")
        return trees
