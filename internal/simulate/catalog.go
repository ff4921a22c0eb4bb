package simulate

// modelKind is a model that workers serve.
type modelKind struct {
	name   string
	sizeMB int // GPU memory with its caches
	weight int // how often it is deployed: few models are popular, many are not
}

// models returns what is deployed, most popular first.
func models() []modelKind {
	return []modelKind{
		{"meta-llama/Llama-3.1-8B-Instruct", 18_400, 30},
		{"Qwen/Qwen2.5-7B-Instruct", 16_900, 17},
		{"mistralai/Mistral-7B-Instruct-v0.3", 16_200, 11},
		{"meta-llama/Llama-3.3-70B-Instruct-AWQ", 44_100, 9},
		{"Qwen/Qwen2.5-Coder-32B-Instruct-AWQ", 22_700, 7},
		{"google/gemma-2-9b-it", 20_300, 6},
		{"microsoft/Phi-3.5-mini-instruct", 9_100, 5},
		{"deepseek-ai/DeepSeek-R1-Distill-Qwen-14B", 31_800, 4},
		{"BAAI/bge-m3", 3_400, 3},
		{"openai/whisper-large-v3", 5_200, 3},
		{"mistralai/Mixtral-8x7B-Instruct-v0.1", 91_000, 2},
		{"meta-llama/Llama-3.1-70B-Instruct", 139_000, 2},
		{"stabilityai/stable-diffusion-3.5-large", 22_100, 1},
	}
}

// machineKind is a sort of machine.
type machineKind struct {
	label    string // part of the hive's id
	gpu      string
	memoryMB int
	gpus     int
	watts    float64 // of one GPU at full load
	compute  string
	weight   int
}

func machines() []machineKind {
	return []machineKind{
		{"h100", "NVIDIA H100 80GB HBM3", 81_559, 8, 700, "9.0", 5},
		{"h200", "NVIDIA H200", 143_771, 8, 700, "9.0", 2},
		{"a100", "NVIDIA A100-SXM4-80GB", 81_920, 8, 400, "8.0", 4},
		{"l40s", "NVIDIA L40S", 46_068, 4, 350, "8.9", 5},
		{"a10g", "NVIDIA A10G", 23_028, 4, 300, "8.6", 3},
		{"4090", "NVIDIA GeForce RTX 4090", 24_564, 2, 450, "8.9", 3},
	}
}

func sites() []string { return []string{"ams", "fra", "iad", "sfo", "sin", "gru"} }
