"""`python -m gpen_blocks.gpen.cli`: the command where its script is not on the path, or another program starts it."""

from . import main

if __name__ == "__main__":
    main()
