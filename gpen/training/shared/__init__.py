"""What the teaching of several networks shares: scenes, crops, averaged weights, saved states."""
