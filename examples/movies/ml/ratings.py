"""How many stars a user will give a movie, told a second before.

A mean of few ratings says little: each is drawn to the mean of all, the more so the fewer ratings it is of. What
the user, the movie, and the user in this genre are then above or below it goes into a regression, with how much is
known of both and how old the movie is. It is linear and needs no library but numpy.
"""

FEATURES = "ml.rating_training"
LABEL = "stars"
KEY = ["user_id", "movie_id"]
TIME = "rated_on"
HELD_OUT = "180 days"
GATE = "rmse"
PARAMS = {"user": 10.0, "movie": 5.0, "genre": 10.0, "ridge": 1.0}
SPACE = {
    "user": ("log", 1, 100),
    "movie": ("log", 1, 100),
    "genre": ("log", 1, 100),
    "ridge": ("log", 0.01, 1000),
}

#: So many digits of a weight are kept: the last ones depend on how many threads have added up.
DIGITS = 8


def train(rows, params, report):
    """Return the mean of all, and the weight of each column, as JSON."""
    import json

    import numpy as np

    mean = float(rows[LABEL].mean())
    known = columns(rows, mean, params)
    ridge = params["ridge"] * np.eye(known.shape[1])
    weights = np.linalg.solve(known.T @ known + ridge, known.T @ (rows[LABEL].to_numpy() - mean))
    told = {"mean": mean, "params": params, "weights": weights.tolist()}
    return json.dumps(rounded(told), sort_keys=True).encode()


def predict(model, rows):
    """Return the stars of each row, none beyond those that there are."""
    import json

    import numpy as np

    told = json.loads(model)
    stars = told["mean"] + columns(rows, told["mean"], told["params"]) @ np.array(told["weights"])
    return np.clip(stars, 0.5, 5)


def columns(rows, mean, params):
    """Return what the regression sees: deviations from the mean of all, and how much is known."""
    import numpy as np

    def number(name):
        return rows[name].astype("float64")

    def drawn(of, to, strength):
        many = number(f"{of}_ratings").fillna(0)
        return (number(f"{of}_avg_stars").fillna(0) * many + to * strength) / (many + strength)

    user = drawn("user", mean, params["user"])
    movie = drawn("movie", mean, params["movie"])
    genre = drawn("user_genre", user, params["genre"])
    found = [
        np.ones(len(rows)),
        user - mean,
        movie - mean,
        genre - user,
        (user - mean) * (movie - mean),
        np.log1p(number("movie_age_years").fillna(10).clip(lower=0)),
        np.log1p(number("movie_ratings").fillna(0)),
        np.log1p(number("user_ratings").fillna(0)),
    ]
    return np.column_stack(found)


def rounded(value):
    """Return numbers, in whatever holds them, with the digits that are kept."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {name: rounded(one) for name, one in value.items()}
    return [rounded(one) for one in value] if isinstance(value, list) else value
