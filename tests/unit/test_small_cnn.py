import pytest
import torch

from search import catalog
from search.errors import SearchError

build = catalog.model("small_cnn")
features = catalog.features("small_cnn")


def test_images_become_logits() -> None:
    assert build(outputs=5, image_size=20, widths=(4, 8))(torch.rand(2, 3, 20, 20)).shape == (2, 5)


def test_parameters_of_the_default() -> None:
    model = build(outputs=7, image_size=48)
    convolutional = sum(parameter.numel() for parameter in model[:-1].parameters())
    assert convolutional == 666_240 + 2 * 64 * 9  # three input channels instead of one
    assert model[-1].in_features == 512 * 6 * 6


def test_dropout_acts_in_training_alone() -> None:
    model = build(outputs=3, image_size=8, widths=(4,), dropout=0.5)
    images = torch.rand(2, 3, 8, 8)
    assert not torch.equal(model(images), model(images))
    model.eval()
    assert torch.equal(model(images), model(images))


def test_too_many_widths_for_the_images() -> None:
    with pytest.raises(SearchError, match="4 widths halve images of 12 px to nothing; give at most 3 widths"):
        build(outputs=3, image_size=12, widths=(4, 4, 4, 4))
    with pytest.raises(SearchError, match="halve images of 12 px to nothing"):
        features(image_size=12, widths=(4, 4, 4, 4))


def test_features_are_those_of_the_convolutions() -> None:
    torch.manual_seed(0)
    network = features(image_size=16, widths=(4, 8), side=2).eval()
    images = torch.rand(3, 3, 16, 16)
    vectors = network(images)
    assert vectors.shape == (3, 8 * 2 * 2)
    maps = network[:-2](images)
    assert maps.shape == (3, 8, 4, 4)
    torch.testing.assert_close(vectors.reshape(3, 8, 2, 2)[:, :, 0, 0], maps[:, :, :2, :2].mean(dim=(2, 3)))


def test_features_of_the_default() -> None:
    assert features(image_size=48).eval()(torch.rand(2, 3, 48, 48)).shape == (2, 512)
