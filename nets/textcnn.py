"""Kim 2014, "Convolutional neural networks for sentence classification" (arXiv 1408.5882), sections 2 and 3.

Filters of 3, 4 and 5 words, 100 of each, ReLU, the maximum over time of each, dropout 0.5, a linear layer whose rows
have norm 3 at most. Variants: `rand` learns its word vectors from nothing; `static` keeps given ones, `non-static`
trains on from them, `multichannel` has one table of each kind and adds their convolutions before pooling.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Variant = Literal["rand", "static", "non-static", "multichannel"]
PAD = 0  # the id whose vector is zero, and stays zero
WIDTHS = (3, 4, 5)


class TextCNN(nn.Module):
    """N x L word ids, padded with PAD on the right -> N x labels logits. 360,902 parameters and the table for 2 labels.

    Four zero vectors are put before a sentence (the paper's code) and five after it, so that every filter always has
    one position with nothing but padding. More padding then changes no maximum: an answer does not depend on how long
    the other sentences of its batch are.
    """

    def __init__(
        self,
        words: int,
        labels: int,
        *,
        variant: Variant = "rand",
        vectors: Tensor | None = None,
        maps: int = 100,
    ) -> None:
        """`vectors`, words x size, are needed by every variant but rand. Raises ValueError without them."""
        super().__init__()
        if (vectors is None) != (variant == "rand"):
            raise ValueError(f"variant {variant} {'needs' if vectors is None else 'takes no'} word vectors")
        table = torch.empty(words, 300).uniform_(-0.25, 0.25) if vectors is None else vectors.clone()
        table[PAD] = 0
        size = table.shape[1]
        trained = nn.Embedding(words, size, padding_idx=PAD, _weight=table)
        static = nn.Embedding(words, size, padding_idx=PAD, _weight=table.clone()).requires_grad_(False)
        channels = {"static": [static], "multichannel": [static, trained]}.get(variant, [trained])
        self.tables = nn.ModuleList(channels)
        self.convs = nn.ModuleList(nn.Conv1d(size, maps, width) for width in WIDTHS)
        self.dropout = nn.Dropout(0.5)
        self.output = nn.Linear(maps * len(WIDTHS), labels)

    def forward(self, ids: Tensor) -> Tensor:  # N x L
        ids = F.pad(ids, (max(WIDTHS) - 1, max(WIDTHS)), value=PAD)  # N x L+9
        channels = [table(ids).transpose(1, 2) for table in self.tables]  # each N x 300 x L+9
        pooled = []
        for conv in self.convs:
            # The filters are linear, so the convolution of the sum is the sum of the convolutions.
            maps = F.relu(conv(torch.stack(channels).sum(0)))  # N x 100 x L+9-width+1
            pooled.append(maps.amax(2))  # N x 100
        features = torch.cat(pooled, 1)  # N x 300
        logits: Tensor = self.output(self.dropout(features))  # N x labels
        return logits

    @torch.no_grad()
    def limit_norm(self, norm: float = 3.0) -> None:
        """Section 3.1: after each step the rows of the last layer are cut back to this length."""
        self.output.weight.copy_(torch.renorm(self.output.weight, p=2, dim=0, maxnorm=norm))
