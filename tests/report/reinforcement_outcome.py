"""A reinforcement study's results as `run_reinforce_study` returns them, made up: one clear gain, one clear harm."""


def estimate(value, reach=0.05, n=200):
    return {"value": value, "low": value - reach, "high": value + reach, "n": n}


def score(arm, task, metric, before, after, reach, floors, *, higher=True):
    return {
        "arm": arm,
        "task": task,
        "metric": metric,
        "before": estimate(before),
        "after": estimate(after),
        "after_by_seed": [after - 0.02, after + 0.02],
        "change": estimate(after - before, reach) | {"p_value": 0.01},
        "higher_is_better": higher,
        "floors": floors,
        "seeds": 2,
    }


def curve(arm, seed):
    steps = list(range(1, 21))
    return {
        "arm": arm,
        "seed": seed,
        "steps": steps,
        "rewards/span-exact": [0.2 + 0.02 * step + 0.01 * seed for step in steps],
        "rewards/format": [0.1] * 20,
        "reward": [0.3 + 0.02 * step for step in steps],
        "zero_std_share": [None, *[0.5] * 19],
        "entropy": [1.0 / step for step in steps],
        "length": [float(step % 5) for step in steps],
    }


def rewards(first, last):
    found = {"first": first, "last": last, "highest": 1.0, "best_constant": {"answer": "none", "mean": 0.4}}
    form = {"first": 0.1, "last": 0.1, "highest": 0.1, "best_constant": None}
    return {"span-exact": found, "format": form}


def outcome(name="reinforce", first="sft"):
    floors = {"all O": 0.0, "training dictionary": 0.4}
    return {
        "scores": [
            score(first, "ncbi-disease", "entity F1", 0.30, 0.31, 0.05, floors),
            score("bft", "ncbi-disease", "entity F1", 0.35, 0.55, 0.05, floors),
            score(first, "general-sentences", "NLL", 3.0, 3.4, 0.1, {}, higher=False),
            score("bft", "general-sentences", "NLL", 3.0, 3.0, 0.1, {}, higher=False),
        ],
        "also": {"scores": [], "gains": []},
        "gains": [
            estimate(0.19) | {"arm": "bft", "than": first, "task": "ncbi-disease", "metric": "entity F1"}
            | {"p_value": 0.001, "p_holm": 0.002},
            estimate(0.02) | {"arm": "bft", "than": first, "task": "general-sentences", "metric": "NLL"}
            | {"p_value": 0.4, "p_holm": 0.4},
        ],
        "rewards": [
            {"arm": first, "rewards": rewards(0.2, 0.35), "reward_share_of_time": 0.001},
            {"arm": "bft", "rewards": rewards(0.3, 0.6), "reward_share_of_time": 0.002},
        ],
        "alarms": [{"arm": first, "seed": 1, "step": 7, "name": "constant", "sentence": "one answer to 95 %"}],
        "steps": [20],
        "filter": {
            "policy": first,
            "arms": {arm: {"sentence": "151 of 240 prompts are kept", "kept": 151} for arm in (first, "bft")},
        },
        "curves": [curve(arm, seed) for arm in (first, "bft") for seed in (0, 1)],
        "answers": [
            {
                "task": "ncbi-disease",
                "items": 200,
                "changed": {first: 20, "bft": 31},
                "shown": [
                    {
                        "prompt": "A sentence on ataxia . List every disease.",
                        "right": "ataxia",
                        "answers": [
                            {"arm": first, "before": "none", "after": "none"},
                            {"arm": "bft", "before": "ataxia", "after": ""},
                        ],
                    }
                ],
            }
        ],
        "study": {"name": name, "arms": {first: "runs/sft", "bft": "runs/bft"}, "seeds": [0, 1], "reinforce": {}},
        "command": "counterpoise reinforce study.yaml",
        "environment": {
            "counterpoise": "0.1.0",
            "git_commit": "abc",
            "gpus": [],
            "processor": "x86_64",
            "threads": 2,
            "packages": {"torch": "2.13.0"},
        },
    }  # fmt: skip
