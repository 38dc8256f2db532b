"""`python -m elf.store ...` is `elves store ...`."""

import sys

from elf.cli import main

if __name__ == "__main__":
    raise SystemExit(main(["store", *sys.argv[1:]]))
