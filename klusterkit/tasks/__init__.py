"""The vocabulary: idempotent, undoable steps. Whoever reads plans imports it: kinds are found when they are met."""

from klusterkit.engine.step import Step


def _load() -> None:
    from klusterkit.tasks import every

    _ = every


Step.loads(_load)
