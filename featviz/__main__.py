"""`python -m featviz` and the `featviz` command."""


def main() -> None:
    """Run the command line."""
    from featviz.cli import main as run

    run()


if __name__ == "__main__":
    main()
