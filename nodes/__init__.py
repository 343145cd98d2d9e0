"""The ComfyUI nodes; only `schema` and the nodes themselves import ComfyUI."""
