"""Bytes that hardly repeat each other: how to tell them, and how to code each for itself.

Looking for repeats takes most of the time of deflating. Where there are none the bytes are coded by
how often each value occurs (RFC 1951, 3.2.7), in loops that need no interpreter.
"""

from typing import Any

import numpy as np

from compute_tasks.engine.compiling import kernel

REPEATING, UNEVEN, EVEN = 0, 1, 2
"""What bytes look like: as if they repeat others; some values rarer than others; like noise."""
SAMPLE_RUN, SAMPLE_RUNS = 1 << 6, 17
"""Bytes of a run, and how many runs: a prime number, lest all are of the same columns of maps."""
LEAST_REPEATED = 0.1
"""The part of a sample that must repeat earlier bytes to make the search worth its time."""
LEAST_CODED = 1 << 12
"""Bytes that are worth a table of their own."""
COUNTED_WHOLE = 1 << 15
"""Bytes that are all counted to find the codes."""
COUNTED_RUN, COUNTED_STEP = 1 << 8, 1021
"""Bytes counted of more, of how many each: no power of two, as the lengths of rows are."""
SYMBOLS, END = 257, 256
"""Bytes, and the end of the block."""
LONGEST = 15
"""Bits of a code, at most."""
LENGTH_WIDTHS = np.array([0, 4, 4, 4, 4, 4, 4, 4, 3, 4, 4, 4, 4, 4, 4, 4, 0, 0, 0])
"""Bits by which the lengths of codes are told: 1 to LONGEST, all but one in four bits."""
LENGTH_ORDER = np.array([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15])
"""The order in which these widths are stored."""
WIDTH = np.uint64(32)
"""An entry of a table holds the bits of a code, and from this bit on how many they are."""
LOW = np.uint64(0xFFFFFFFF)


def room(count: int) -> int:
    """Return the words of 32 bits that suffice for the codes of so many bytes."""
    return count * LONGEST // 32 + 64


@kernel
def kinds(data: np.ndarray, planes: int) -> np.ndarray:
    """Return what a sample of each of the planes looks like, which follow each other."""
    result = np.empty(planes, np.int64)
    size = data.size // planes
    for plane in range(planes):
        result[plane] = _kind(data[plane * size : (plane + 1) * size])
    return result


@kernel
def _kind(data: np.ndarray) -> int:
    counts = np.zeros(256, np.int64)
    latest = np.zeros(1 << 12, np.uint32)
    sampled, repeated = 0, 0
    for begin in range(0, data.size - 3, max(SAMPLE_RUN, data.size // SAMPLE_RUNS)):
        end = min(begin + SAMPLE_RUN, data.size - 3)
        word = np.uint32(0)
        for i in range(begin, begin + 3):
            word = (word >> np.uint32(8)) | (np.uint32(data[i]) << np.uint32(24))
        for i in range(begin, end):
            word = (word >> np.uint32(8)) | (np.uint32(data[i + 3]) << np.uint32(24))
            place = np.uint32(word * np.uint32(2654435761)) >> np.uint32(20)
            repeated += latest[place] == word
            latest[place] = word
            counts[data[i]] += 1
        sampled += end - begin
    if repeated > LEAST_REPEATED * sampled:
        return REPEATING
    squares = 0.0
    for count in counts:
        squares += float(count) * float(count)
    if squares <= 1.1 * sampled * sampled / 256 + sampled:
        return EVEN
    return UNEVEN if data.size >= LEAST_CODED else REPEATING


@kernel
def code(data: np.ndarray, out: np.ndarray) -> int:
    """Put a block of codes into `out`, of uint32, and return how many bytes of it they take.

    Another block, an empty one, makes it end at a whole byte; neither is the last one. `out` has
    at least the length that `room` says.
    """
    lengths = _lengths(_counted(data))
    head, table = _head(lengths), _table(lengths)
    place, bits, kept = 0, np.uint64(0), np.uint64(0)
    for entry in head:
        place, bits, kept = _put(out, place, bits | (entry & LOW) << kept, kept + (entry >> WIDTH))
    even = data.size - data.size % 2
    for i in range(0, even, 2):
        one, other = table[data[i]], table[data[i + 1]]
        bits |= (one & LOW) << kept
        kept += one >> WIDTH
        bits |= (other & LOW) << kept
        kept += other >> WIDTH
        place, bits, kept = _put(out, place, bits, kept)
    for i in range(even, data.size):
        one = table[data[i]]
        place, bits, kept = _put(out, place, bits | (one & LOW) << kept, kept + (one >> WIDTH))
    one = table[END]
    # The end, three bits that announce an empty block, and as many as fill the byte.
    bits |= (one & LOW) << kept
    kept = (kept + (one >> WIDTH) + np.uint64(3 + 7)) & ~np.uint64(7)
    place, bits, kept = _put(out, place, bits, kept)
    bits |= np.uint64(0xFFFF0000) << kept
    place, bits, kept = _put(out, place, bits, kept + np.uint64(32))
    out[place] = np.uint32(bits)
    return place * 4 + np.int64(kept) // 8


@kernel
def _put(
    out: np.ndarray, place: int, bits: np.uint64, kept: np.uint64
) -> tuple[Any, np.uint64, np.uint64]:
    """Store a word if there is a full one, and return where to go on with the bits that are left.

    The word is stored in any case, which is faster than asking.
    """
    out[place] = np.uint32(bits)
    full = kept >> np.uint64(5)
    return place + np.int64(full), bits >> (full << np.uint64(5)), kept & np.uint64(31)


@kernel
def _counted(data: np.ndarray) -> np.ndarray:
    """Return about how often each value occurs, once at least, and the end once."""
    counts = np.ones(SYMBOLS, np.int64)
    step = COUNTED_STEP if data.size > COUNTED_WHOLE else COUNTED_RUN
    for begin in range(0, data.size, step):
        for i in range(begin, min(begin + COUNTED_RUN, data.size)):
            counts[data[i]] += 1
    return counts


@kernel
def _lengths(counts: np.ndarray) -> np.ndarray:
    """Return the lengths of the codes: Huffman's, or nearly so where one were above LONGEST.

    The counts are lost.
    """
    lengths, depths = np.empty(SYMBOLS, np.int64), np.empty(2 * SYMBOLS, np.int64)
    weights, above = np.empty(2 * SYMBOLS, np.int64), np.empty(2 * SYMBOLS, np.int64)
    longest = LONGEST + 1
    while longest > LONGEST:
        order = _order(counts)
        for i in range(SYMBOLS):
            weights[i] = counts[order[i]]
            # Rare ones count for more should they come out too long.
            counts[order[i]] = (weights[i] + 1) // 2
        leaf, node, root = 0, SYMBOLS, 2 * SYMBOLS - 2
        for pair in range(SYMBOLS, root + 1):
            weights[pair] = 0
            for _ in range(2):
                if leaf < SYMBOLS and (node == pair or weights[leaf] <= weights[node]):
                    one, leaf = leaf, leaf + 1
                else:
                    one, node = node, node + 1
                weights[pair] += weights[one]
                above[one] = pair
        longest, depths[root] = 0, 0
        for one in range(root - 1, -1, -1):
            depths[one] = depths[above[one]] + 1
            longest = max(longest, depths[one])
        for i in range(SYMBOLS):
            lengths[order[i]] = depths[i]
    return lengths


@kernel
def _order(counts: np.ndarray) -> np.ndarray:
    """Return the symbols, the rarest first: Shell's sort, which compiles quickly."""
    order = np.arange(SYMBOLS)
    for gap in (57, 23, 10, 4, 1):
        for i in range(gap, SYMBOLS):
            symbol, place = order[i], i
            while place >= gap and counts[order[place - gap]] > counts[symbol]:
                order[place] = order[place - gap]
                place -= gap
            order[place] = symbol
    return order


@kernel
def _table(lengths: np.ndarray) -> np.ndarray:
    """Return the entries of codes of these lengths, their first bit lowest; 0 is none."""
    table = np.zeros(lengths.size, np.uint64)
    code = 0
    for length in range(1, LONGEST + 1):
        code <<= 1
        for symbol in range(lengths.size):
            if lengths[symbol] == length:
                turned = 0
                for bit in range(length):
                    turned |= (code >> bit & 1) << (length - 1 - bit)
                table[symbol] = np.uint64(turned) | np.uint64(length) << WIDTH
                code += 1
    return table


@kernel
def _head(lengths: np.ndarray) -> np.ndarray:
    """Return the entries of what stands before the codes: their lengths, themselves coded."""
    table = _table(LENGTH_WIDTHS)
    head = np.empty(5 + LENGTH_ORDER.size + SYMBOLS, np.uint64)
    # A block with codes of its own; 257 symbols, one distance, which is not used, all 19 widths.
    head[0] = np.uint64(0b100) | np.uint64(3) << WIDTH
    head[1] = np.uint64(SYMBOLS - 257) | np.uint64(5) << WIDTH
    head[2] = np.uint64(5) << WIDTH
    head[3] = np.uint64(LENGTH_ORDER.size - 4) | np.uint64(4) << WIDTH
    for i in range(LENGTH_ORDER.size):
        head[4 + i] = np.uint64(LENGTH_WIDTHS[LENGTH_ORDER[i]]) | np.uint64(3) << WIDTH
    for i in range(SYMBOLS):
        head[4 + LENGTH_ORDER.size + i] = table[lengths[i]]
    head[-1] = table[1]
    return head
