"""Jobs on many pictures: collecting the inputs, planning the outputs, restoring them and writing the results."""
