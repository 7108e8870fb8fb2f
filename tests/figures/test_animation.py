"""The moving picture: a frame for every epoch, weights on one scale, the same bytes every time."""

import io
from dataclasses import replace

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from PIL import Image

from precip_sae.figures import animation
from precip_sae.models.exchange import History, Network, read_published
from precip_sae.paths import Paths


def short(repository: Paths) -> Network:
    """The first two epochs of the published classifier."""
    whole = read_published(repository.published / "classifier.json")
    known = whole.history
    return replace(whole, history=History(known.layers[:2], known.loss[:2], known.val_loss[:2]))


def test_every_epoch_is_a_frame_and_the_bytes_are_the_same(repository: Paths) -> None:
    network = short(repository)
    moving = animation.moving(network, network.predictors, network.responses, "loss")
    assert moving == animation.moving(network, network.predictors, network.responses, "loss")
    with Image.open(io.BytesIO(moving)) as picture:
        assert (picture.format, picture.n_frames) == ("GIF", 2)
        assert picture.size == (701, 270)


def test_widths_of_all_epochs_are_on_one_scale(repository: Paths) -> None:
    network = short(repository)
    largest = max(np.abs(layer.weight).max() for layers in network.history.layers for layer in layers)
    for epoch, layers in enumerate(network.history.layers):
        drawn = animation.frame(network, epoch, network.predictors, network.responses, "loss").axes[0]
        first = next(part for part in drawn.collections if isinstance(part, LineCollection))
        expected = animation.WIDEST * np.abs(layers[0].weight).ravel() / largest
        assert np.allclose(first.get_linewidths(), expected)


def test_a_figure_that_is_changed_shows_what_one_made_for_the_epoch_would(repository: Paths) -> None:
    network = short(repository)
    about = network.predictors, network.responses, "loss"
    for epoch, picture in enumerate(animation.pictures_of_epochs(network, *about)):
        alone = FigureCanvasAgg(animation.frame(network, epoch, *about))
        alone.draw()
        assert np.array_equal(np.asarray(picture), np.asarray(alone.buffer_rgba())[..., :3])
