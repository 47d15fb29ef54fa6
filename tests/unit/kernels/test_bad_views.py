"""Recognition of views that show nothing."""

import numpy as np

from tomoline.kernels.bad_views import judge_views, view_statistics

VIEWS = 21


def series(seed=0):
    """Views that darken towards high tilt like a thick specimen."""
    rng = np.random.default_rng(seed)
    tilt = np.radians(np.linspace(-60, 60, VIEWS))
    images = []
    for angle in tilt:
        mean = 2000 * np.exp(-0.9 / np.cos(angle))
        structure = 1 + 0.15 * rng.normal(size=(64, 64))
        images.append(rng.poisson(np.maximum(mean * structure, 0)).astype(np.float32))
    return images, tilt


def judge(images, tilt, **options):
    return judge_views([view_statistics(image) for image in images], tilt, **options)


def bad(judgement):
    return [view for view, reason in enumerate(judgement.reasons) if reason]


def test_thick_specimen_at_high_tilt_is_no_fault():
    assert bad(judge(*series())) == []


def test_dark_blank_saturated_and_broken_views_are_told():
    images, tilt = series()
    rng = np.random.default_rng(1)
    images[5] = rng.normal(3, 2, (64, 64)).astype(np.float32)
    images[9] = np.zeros((64, 64), np.float32)
    images[14] = images[14].copy()
    images[14][:40] = 65535
    images[17] = np.full((64, 64), np.nan, np.float32)
    judgement = judge(images, tilt)
    assert bad(judgement) == [5, 9, 14, 17]
    words = ("dark", "blank", "off scale", "no numbers")
    for view, word in zip((5, 9, 14, 17), words, strict=True):
        assert judgement.reasons[view].startswith(word)


def test_dark_view_on_a_high_offset_is_told():
    images, tilt = series()
    images = [image + 30000 for image in images]
    images[7] = np.random.default_rng(2).normal(30000, 2, (64, 64)).astype(np.float32)
    assert bad(judge(images, tilt)) == [7]


def test_dark_view_at_the_end_is_told():
    images, tilt = series()
    images[0] = np.random.default_rng(2).normal(2, 1, (64, 64)).astype(np.float32)
    assert bad(judge(images, tilt)) == [0]


def test_order_of_views_plays_no_part():
    images, tilt = series()
    images[5] = np.full((64, 64), 3, np.float32)
    order = np.random.default_rng(3).permutation(VIEWS)
    judgement = judge([images[view] for view in order], tilt[order])
    assert [order[view] for view in bad(judgement)] == [5]


def test_brighter_view_is_only_suspicious():
    images, tilt = series()
    images[8] = images[8] * 2.5
    judgement = judge(images, tilt)
    assert bad(judgement) == []
    assert judgement.suspicious == (8,)


def test_end_rules_only_on_request():
    images, tilt = series()
    mean = images[-1].mean()
    images[-1] = (mean + 0.3 * (images[-1] - mean)).astype(np.float32)
    # A grid bar covers half of the first view.
    images[0] = images[0].copy()
    images[0][:, :32] = np.random.default_rng(4).normal(5, 2, (64, 32))
    assert bad(judge(images, tilt)) == []
    assert bad(judge(images, tilt, end_criterion=0.5)) == [0, VIEWS - 1]


def test_excluded_views_are_not_judged():
    images, tilt = series()
    images[5] = np.zeros((64, 64), np.float32)
    included = np.ones(VIEWS, bool)
    included[5] = False
    assert bad(judge(images, tilt, included=included)) == []
