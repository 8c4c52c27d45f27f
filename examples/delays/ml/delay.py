"""Whether a flight comes fifteen minutes late or more, told two hours before it should leave.

Numbers and categories of the training set go into gradient boosting. The last fifth of the rows, which are in the
order of time, judges each round of the others.
"""

FEATURES = "ml.delay_training"
LABEL = "is_late"
KEY = ["flight_date", "origin", "carrier", "flight"]
TIME = "flight_date"
HELD_OUT = "30 days"
GATE = "log_loss"
LIBRARIES = ["lightgbm"]
SEED = 7
PARAMS = {"learning_rate": 0.05, "num_leaves": 31, "min_data_in_leaf": 20, "lambda_l2": 0.01}
SPACE = {
    "learning_rate": ("log", 0.02, 0.3),
    "num_leaves": ("log_int", 7, 255),
    "min_data_in_leaf": ("log_int", 10, 1000),
    "lambda_l2": ("log", 0.001, 30),
}

NUMBERS = [
    "hour_local",
    "weekday",
    "distance_miles",
    "plane_last_delay_minutes",
    "origin_delay_minutes",
    "origin_departures",
    "route_delay_minutes",
    "route_late_ratio",
    "carrier_delay_minutes",
    "wind_mph",
    "precip_inches",
    "visibility_miles",
]
FIXED = {
    "objective": "binary",
    "metric": "binary_logloss",
    "deterministic": True,
    "force_col_wise": True,
    "num_threads": 1,
    "verbose": -1,
}


def train(rows, params, report):
    """Return the booster, as it was in its best round."""
    import lightgbm

    values, late = rows[NUMBERS].astype("float64"), rows[LABEL].astype(int)
    last = len(rows) * 4 // 5
    data = lightgbm.Dataset(values[:last], late[:last])
    judging = lightgbm.Dataset(values[last:], late[last:], reference=data)

    def told(env):
        report(env.iteration + 1, "log_loss", env.evaluation_result_list[0][2])

    stop = lightgbm.early_stopping(20, verbose=False)
    return lightgbm.train(
        {**FIXED, **params, "seed": SEED}, data, 150, valid_sets=[judging], callbacks=[told, stop]
    )


def predict(model, rows):
    """Return how likely each flight comes late."""
    return model.predict(rows[NUMBERS].astype("float64"), num_iteration=model.best_iteration, num_threads=1)
