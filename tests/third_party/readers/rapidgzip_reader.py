"""Seeks in a payload by rapidgzip and compares what it reads with what gzip inflates: rapidgzip_reader.py PAYLOAD

Reads at 200 offsets in no order, with the index that rapidgzip makes meanwhile; then at as many with that index, read
back from a file by another reader.
"""

import gzip
import os
import random
import sys
import tempfile

import rapidgzip

payload = sys.argv[1]
with gzip.open(payload) as inflated:
    whole = inflated.read()
dice = random.Random(7)


def compare(reader):
    offsets = [0, len(whole), max(0, len(whole) - 1)] + [dice.randrange(len(whole) + 1) for _ in range(197)]
    for offset in offsets:
        size = dice.choice([1, 512, 4096, 300_000])
        reader.seek(offset)
        assert reader.read(size) == whole[offset : offset + size], f"other bytes at {offset}"
    return len(offsets)


with tempfile.TemporaryDirectory() as work, rapidgzip.open(payload, parallelization=4) as reader:
    reads = compare(reader)
    reader.seek(0)
    assert reader.read() == whole, "other bytes from beginning to end"
    index = os.path.join(work, "index")
    reader.export_index(index)
    with rapidgzip.open(payload, parallelization=4) as again:
        again.import_index(index)
        reads += compare(again)
print(f"{reads} reads in {len(whole)} bytes")
