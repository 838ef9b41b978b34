"""Step functions side by side ask together, are answered rightly, and end when they end."""

from hypothesis import given
from hypothesis import strategies as st

from counterpoise.biology.naming.steps import together


def counting(name, rounds):
    """Ask ``rounds[i]`` questions in round i; return all answers."""
    heard = []
    for number, count in enumerate(rounds):
        heard += yield [(name, number, place) for place in range(count)]
    return heard


@given(st.lists(st.lists(st.integers(1, 3), max_size=4), max_size=5))
def test_each_part_hears_the_answers_to_its_own_questions(plan):
    steps = together([counting(name, rounds) for name, rounds in enumerate(plan)])
    sizes = []
    try:
        asked = next(steps)
        while True:
            sizes.append(len(asked))
            asked = steps.send([("answer to", question) for question in asked])
    except StopIteration as end:
        results = end.value
    for name, rounds in enumerate(plan):
        asked = [(name, number, place) for number, count in enumerate(rounds) for place in range(count)]
        assert results[name] == [("answer to", question) for question in asked]
    longest = max((len(rounds) for rounds in plan), default=0)
    assert sizes == [sum(rounds[i] for rounds in plan if len(rounds) > i) for i in range(longest)]
