"""Trainings for those who look at them elsewhere: MLflow and TensorBoard. The same twice adds nothing."""

from etl.operations.ml.exports.export import TARGETS, export

__all__ = ["TARGETS", "export"]
