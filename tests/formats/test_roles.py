from __future__ import annotations

import pytest

from elf.formats.found import Found
from elf.formats.roles import role_of, roles_of
from elf.tensor import DTYPES, ROLES

CASES = {
    "optimizer": [
        ("optimizer_state.state.140178894883144.exp_avg", (256,)),
        ("optimizer.state.12.step", ()),
        ("optimizer/vars/3", (8, 6, 256)),
        ("optimizer_weights/training/Adam/dense/kernel/m:0", (4, 4)),
        ("optim.state.0.momentum_buffer", (4, 4)),
        ("Adam/conv/kernel/v:0", (4, 4)),
        ("optimizer_states.0.state.1.exp_avg_sq", (4, 4)),
        ("optimizer_state_dict.state.0.max_exp_avg_sq", (4, 4)),
    ],
    "norm": [
        ("encoder.layer.0.attention.output.LayerNorm.weight", (384,)),
        ("model.layers.3.input_layernorm.weight", (4096,)),
        ("model.norm.weight", (4096,)),
        ("transformer.ln_f.bias", (768,)),
        ("h.0.ln_1.weight", (768,)),
        ("bn1.running_mean", (64,)),
        ("_blocks.15._bn0.weight", (64,)),
        ("layers/batch_normalization/vars/2", (64,)),
        ("layers/layer_normalization_3/gamma", (64,)),
        ("batch_norm2d_0.w_1", (16,)),
        ("blk.0.attn_norm.weight", (4096,)),
        ("head.decoder_norms.0.weight", (64,)),
        ("bn1/moving_variance:0", (64,)),
    ],
    "bias": [
        ("fc.bias", (10,)),
        ("lstm.bias_ih_l0", (1024,)),
        ("enc_b_hh", (768,)),
        ("conv2d_107.b_0", (96,)),
        ("layers/dense/vars/1", (128,)),
        ("dense/bias:0", (128,)),
        ("core.block.dw_bias", (64,)),
        ("conv.bias", (1, 64, 1, 1)),
    ],
    "scale": [
        ("core.block.dw_weight.scale", (64, 1, 1)),
        ("word_embeddings.weight_scale", (30522, 1)),
        ("val_49_scale", (1, 384)),
        ("x_zero_point", ()),
        ("model.layers.0.mlp.down_proj.qzeros", (4, 4)),
        ("model.layers.0.mlp.down_proj.scales", (4, 4)),
        ("model.layers.0.mlp.down_proj.weight_scale_inv", (4, 4)),
        ("fc.weight.absmax", (64,)),
    ],
    "weight": [
        ("conv1.weight", (64, 3, 7, 7)),
        ("embeddings.word_embeddings.weight", (30522, 384)),
        ("lstm.weight_ih_l0", (1024, 256)),
        ("layers/dense/vars/0", (128, 10)),
        ("enc_w_ih", (768, 256)),
        ("blk.0.attn_q.weight", (64, 64)),
        ("normalizer.weight", (64, 64)),
        ("blockers.weight", (4, 4)),
        ("relative_attention_bias.weight", (32, 8)),
        ("debug.weight", (4, 4)),
        ("model_ema.conv.weight", (4, 4)),
    ],
    "other": [
        ("logit_scale", ()),
        ("stft.forward_basis_buffer", (258, 1, 256)),
        ("rotary_emb.inv_freq", (32,)),
        ("attn.masked_bias", ()),
    ],
}


@pytest.mark.parametrize(("role", "name", "shape"), [(role, *case) for role in CASES for case in CASES[role]])
def test_the_role_of_a_float_is_told_by_its_name(role: str, name: str, shape: tuple[int, ...]) -> None:
    assert role_of(name, "f32", shape) == role


def test_every_role_has_cases() -> None:
    assert set(CASES) == set(ROLES)


@pytest.mark.parametrize("dtype", sorted(DTYPES))
def test_wide_integers_are_other_and_every_other_type_can_be_a_weight(dtype: str) -> None:
    wide = dtype in ("bool", "i16", "u16", "i32", "u32", "i64", "u64")
    assert role_of("conv.weight", dtype, (4, 4)) == ("other" if wide else "weight")


def test_integers_can_be_state_norm_and_scales() -> None:
    assert role_of("bn.num_batches_tracked", "i64", ()) == "norm"
    assert role_of("x_zero_point", "i32", ()) == "scale"
    assert role_of("optimizer.state.0.step", "i64", ()) == "optimizer"
    assert role_of("embeddings.position_ids", "i64", (1, 512)) == "other"


def _roles(**tensors: tuple[int, ...]) -> list[str]:
    return roles_of([Found(name.replace("__", "."), "f32", shape, 0, 0) for name, shape in tensors.items()])


def test_vectors_beside_running_statistics_are_of_a_normalisation() -> None:
    roles = _roles(a__1__weight=(8,), a__1__bias=(8,), a__1__running_mean=(8,), a__0__weight=(8, 8), a__0__bias=(8,))
    assert roles == ["norm", "norm", "norm", "weight", "bias"]


def test_weight_and_bias_that_are_equal_vectors_are_of_a_normalisation() -> None:
    assert _roles(n__weight=(8,), n__bias=(8,), m__weight=(8,), m__bias=(1,)) == ["norm", "norm", "weight", "bias"]


def test_what_the_file_tells_goes_before_the_name() -> None:
    assert roles_of([Found("norm.weight", "f32", (8,), 0, 0, role="scale")]) == ["scale"]


def test_a_long_hostile_name_is_no_trap() -> None:
    for name in ("a." * 50_000, "norm_" * 20_000, "_" * 100_000, "a" * 100_000, "1" * 100_000 + "_scale."):
        assert role_of(name, "f32", (4, 4)) in ROLES
