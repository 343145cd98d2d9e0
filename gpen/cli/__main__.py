"""`python -m gpen_blocks.gpen.cli`: the command if its script is not on the path, or for use by other programs."""

from . import main

if __name__ == "__main__":
    main()
