"""Imports XGBoost without scikit-learn, whose import takes longer than training a small model.

XGBoost needs scikit-learn only for its estimator classes, which no step uses.
"""

from hidden_imports import hidden

with hidden("sklearn"):
    import xgboost

Booster = xgboost.Booster
DMatrix = xgboost.DMatrix
train = xgboost.train
TrainingCallback = xgboost.callback.TrainingCallback

__all__ = ["Booster", "DMatrix", "TrainingCallback", "train"]
