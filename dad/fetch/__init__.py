"""Every weight that a recipe needs: where it is published, whether it is here, and how it is named on a node without a
network."""
