"""XGBoost without scikit-learn, whose import takes longer than training a small model does.

XGBoost uses scikit-learn for its estimator classes alone and does without when it is not there;
no step uses those classes.
"""

import sys

_hidden = "sklearn" not in sys.modules
if _hidden:
    sys.modules["sklearn"] = None  # type: ignore[assignment]  # an import of it now fails at once

import xgboost  # noqa: E402

if _hidden:
    del sys.modules["sklearn"]

Booster = xgboost.Booster
DMatrix = xgboost.DMatrix
train = xgboost.train

__all__ = ["Booster", "DMatrix", "train"]
