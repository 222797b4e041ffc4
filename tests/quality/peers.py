"""Other detectors, to compare with: each gets a seed and training rows, and returns a function from rows to scores.

isotree seeds its trees consecutively, so forests of adjacent seeds share all but one tree; the seeds here are far apart.
"""

import functools


def scikit_learn(seed, rows):
    from sklearn.ensemble import IsolationForest

    forest = IsolationForest(n_estimators=100, max_samples=min(256, len(rows)), random_state=seed, n_jobs=1).fit(rows)
    return lambda other: -forest.score_samples(other)


def isotree(seed, rows, **options):
    from isotree import IsolationForest

    options = {"ndim": 1, **options}
    forest = IsolationForest(
        ntrees=100, sample_size=min(256, len(rows)), missing_action="fail", random_seed=1 + 1000 * seed, nthreads=1,
        **options,
    )
    return forest.fit(rows).predict


def of_pyod(seed, rows, name):
    """A detector of PyOD, on standardised columns."""
    import numpy
    from pyod.models import ecod, hbos, inne, knn
    from sklearn.preprocessing import StandardScaler

    detectors = {
        "ECOD": ecod.ECOD, "HBOS": hbos.HBOS, "kNN": lambda: knn.KNN(n_neighbors=10),
        "INNE": lambda: inne.INNE(random_state=seed),
    }
    numpy.random.seed(seed)
    scaler = StandardScaler().fit(rows)
    detector = detectors[name]().fit(scaler.transform(rows))
    return lambda other: detector.decision_function(scaler.transform(other))


def random_cut(seed, rows):
    import krcf
    from sklearn.preprocessing import StandardScaler

    options = {"dimensions": rows.shape[1], "shingle_size": 1, "num_trees": 100, "sample_size": 256, "output_after": 1}
    forest, scaler = krcf.RandomCutForest({**options, "random_seed": seed}), StandardScaler().fit(rows)
    for row in scaler.transform(rows):
        forest.update(row.tolist())
    return lambda other: [forest.score(row.tolist()) for row in scaler.transform(other)]


PEERS = {
    "scikit-learn": scikit_learn,
    "isotree": isotree,
    **{name: functools.partial(of_pyod, name=name) for name in ("ECOD", "HBOS", "INNE", "kNN")},
    "random cut": random_cut,
}
PLAIN = {"scikit-learn": scikit_learn, "isotree": isotree}


def separation(truth, scores):
    from sklearn.metrics import average_precision_score, roc_auc_score

    return roc_auc_score(truth, scores), average_precision_score(truth, scores)
