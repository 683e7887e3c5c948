"""What an image name means on this node: a root, a program, and an imageID that says truthfully which.

    "" or host          the node's own file tree; the container brings its command
    dir:///path         that directory as the root
    exec:///path        that program of the node's own file tree
    venv:///path        the node's own file tree, with an environment (venv, conda prefix) in front of PATH
    tar:///path         a tar of a root file system, unpacked into the node's image store
    oci:///path         an OCI layout, or an OCI or docker archive, unpacked likewise
    anything else       what `procorch image load` has named so on this node; else the most specific Image object of
                        the cluster whose pattern matches, and its root is one of the above; else what the registries
                        have that the node is configured to ask for this name, by the container's imagePullPolicy

Nothing is silently replaced: what is none of these is an ImageProblem whose message says what to do.
"""

from procorch.kubelet.images.pull_secrets import keyring_of
from procorch.kubelet.images.registries import RegistryConfig, open_images
from procorch.kubelet.images.resolved import PATH, ImageProblem, Resolved
from procorch.kubelet.images.resolver import Fetched, Images, Pull, Unpack
from runtime.registry.credentials import Keyring

__all__ = [
    "PATH",
    "Fetched",
    "ImageProblem",
    "Images",
    "Keyring",
    "Pull",
    "RegistryConfig",
    "Resolved",
    "Unpack",
    "keyring_of",
    "open_images",
]
