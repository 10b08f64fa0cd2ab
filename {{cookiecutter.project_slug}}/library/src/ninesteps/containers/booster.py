"""XGBoost without scikit-learn, whose import takes longer than training a small model does.

XGBoost uses scikit-learn for its estimator classes alone; no step uses those.
"""

from hidden_imports import hidden

with hidden("sklearn"):
    import xgboost

Booster = xgboost.Booster
DMatrix = xgboost.DMatrix
train = xgboost.train
TrainingCallback = xgboost.callback.TrainingCallback

__all__ = ["Booster", "DMatrix", "TrainingCallback", "train"]
