"""`python -m analysis`: see analysis/cli.py."""

if __name__ == "__main__":
    try:
        from analysis.cli import main

        code = main()
    except KeyboardInterrupt:  # while the libraries were loaded
        code = 130
    raise SystemExit(code)
