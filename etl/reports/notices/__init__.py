"""Being told of a run: what is wrong, whether that is news, in which words, and by whom it is sent."""
