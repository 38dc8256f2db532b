"""`python -m elf`: see elf/cli.py."""

from elf.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
