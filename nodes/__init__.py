"""The blocks in ComfyUI, which only `schema` and the blocks themselves import."""
