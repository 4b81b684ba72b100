"""Linear equations by elimination with fixed order of operations: the same bits everywhere."""

from __future__ import annotations

from typing import Any

from streams.numeric.shared import shared_step

SINGULAR = 1e-12
"""Of a pivot against the largest of its column: below it there is no one answer."""


@shared_step
def solve(matrix: Any, right: Any, size: Any) -> Any:
    """Solve matrix x = right, both overwritten, ``right`` by x; False where it is singular.

    ``right``: rows of any number of columns, ``right[row][column]``. Rows are exchanged so that the
    largest number of a column is divided by.
    """
    columns = len(right[0])
    for step in range(size):
        best = step
        largest = abs(matrix[step][step])
        for row in range(step + 1, size):
            if abs(matrix[row][step]) > largest:
                best, largest = row, abs(matrix[row][step])
        whole = largest
        for row in range(step):
            whole = max(whole, abs(matrix[row][step]))
        if not largest > SINGULAR * whole:
            return False
        if best != step:
            for column in range(size):
                kept = matrix[step][column]
                matrix[step][column] = matrix[best][column]
                matrix[best][column] = kept
            for column in range(columns):
                kept = right[step][column]
                right[step][column] = right[best][column]
                right[best][column] = kept
        for row in range(step + 1, size):
            factor = matrix[row][step] / matrix[step][step]
            for column in range(step, size):
                matrix[row][column] -= factor * matrix[step][column]
            for column in range(columns):
                right[row][column] -= factor * right[step][column]
    for row in range(size - 1, -1, -1):
        for column in range(columns):
            total = right[row][column]
            for later in range(row + 1, size):
                total -= matrix[row][later] * right[later][column]
            right[row][column] = total / matrix[row][row]
    return True
