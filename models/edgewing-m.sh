# D: a folder with lfpw, helen, ytf and utkface, as in the list of data of the card. What training starts from, and who
# labels, are earlier float weights out of this repository's history: `chain` trained on, with HELEN (models/README.md).
git show 9130e93:models/edgewing-m.safetensors > cache/m-start.safetensors
python -m compress distill cache/m-start.safetensors $D/lfpw/trainset $D/ytf/train $D/helen/trainset \
    --layout 300w-68 --recipe mobile --features 64 --run edgewing-m --initial cache/m-start.safetensors \
    --unlabelled $D/utkface --correct ytf/train --distillation 0 \
    --weights lfpw/trainset=3 helen/trainset=3 ytf/train=1 data/utkface=1 \
    --offsets lfpw/trainset=0.0040 helen/trainset=0.0032 ytf/train=0 data/utkface=0 --lateral 0.0036 \
    --coordinate-loss 1 --rotation 30 --steps 4500 --rate 1.5e-3 --evaluate-every 300
# (Cut short twice: steps to 1,182 ran under --steps 6000, to 4,406 under 5000; only the learning rate differs.)
python -m compress quantize runs/edgewing-m --limit 1 --nme 0.5
python -m targets runs/edgewing-m --to onnx --precision fp32 fp16
python -m targets runs/edgewing-m --to tflite --precision int8
cp runs/edgewing-m/export/edgewing-m-int8.tflite edgewing/models/edgewing-m.tflite
cp runs/edgewing-m/export/edgewing-m-fp16.onnx edgewing/models/edgewing-m.onnx
python -m train pack runs/edgewing-m --out models/edgewing-m.safetensors
