"""Jobs on many pictures: collecting the inputs, planning the outputs and reading ahead."""
