"""The blocks in ComfyUI. `convert`, `runtime`, `choices` and `interop` can be imported without it."""
