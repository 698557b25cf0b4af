import numpy as np

from featviz.extraction.sparse.numbering import Numbering


def test_it_answers_as_a_dictionary_does_also_when_all_keys_meet_in_one_slot():
    random = np.random.default_rng(0)
    for shift in (0, 40):
        # Shifted keys have equal low bits, so all of them begin their search at the same slot.
        keys = np.unique(random.integers(-(2**22), 2**22, 3000)) << shift
        random.shuffle(keys)
        numbering, expected = Numbering(), {}
        for start in range(0, len(keys), 700):
            part = keys[start : start + 700]
            numbers = np.arange(start + 1, start + 1 + len(part))
            numbering.put(part, numbers)
            expected.update(zip(part.tolist(), numbers.tolist(), strict=True))
            asked = np.concatenate([keys, keys + 1])
            assert numbering.get(asked).tolist() == [expected.get(k, 0) for k in asked.tolist()]


def test_it_grows():
    numbering = Numbering()
    keys = np.random.default_rng(1).integers(0, 2**63, 50_000)
    numbering.put(keys, np.arange(1, len(keys) + 1))
    assert np.array_equal(numbering.get(keys), np.arange(1, len(keys) + 1))
    assert numbering.get(np.empty(0, np.int64)).tolist() == []
