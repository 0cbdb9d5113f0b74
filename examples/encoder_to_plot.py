"""From a trained encoder to a picture: run the main job, load its encoder, draw its representations of the test clips.

    python examples/encoder_to_plot.py [FOLDER]

The data are the synthetic corpus, made-up skeletons: the picture says nothing about people.
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # no screen is needed
import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA

import skelbench
from skelbench.data import protocol, save, synthetic_corpus
from skelbench.eval import Config, Settings, run


def main(folder: Path) -> Path:
    """Train, load, draw; returns the picture's path."""
    folder.mkdir(parents=True, exist_ok=True)
    clips = synthetic_corpus(clips=288)
    save(clips, folder / "clips")
    run(
        Config(
            protocol="xview",
            data=folder / "clips",
            variants=("conmlp-supcon",),
            settings=Settings.preset("quick", epochs=15, probe_epochs=15),
            threads=1,
            out=folder / "run",
        )
    )
    encoder = skelbench.load(folder / "run", "conmlp-supcon")
    test = clips.select(protocol(clips, "xview").test)
    # float32 (clips, 256); a path of any format that skelbench reads would do as well.
    representations = encoder.represent(test)

    places = PCA(2).fit_transform(representations)
    figure, axes = plt.subplots(figsize=(6, 5), layout="constrained")
    for label, name in enumerate(test.class_names):
        axes.scatter(
            *places[np.asarray(test.label) == label].T, s=14, color=plt.colormaps["tab20"](label), label=name
        )
    axes.set(
        title="conmlp-supcon, test clips of the synthetic corpus", xlabel="component 1", ylabel="component 2"
    )
    axes.legend(fontsize=7, ncols=2)
    picture = folder / "representations.png"
    figure.savefig(picture, dpi=120)
    plt.close(figure)
    print(f"{len(representations)} clips drawn: {picture}")
    return picture


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "encoder_plot"))
