"""The vocabulary: idempotent, undoable steps."""
